import { join, resolve } from 'node:path';
import type { Ports } from '../../model/filter.ts';
import { type KernelBan, recogniseKernelBan } from './ban-action.ts';
import { Definition } from './definition.ts';
import { parseReference, type Reference, splitReferences } from './filter-reference.ts';
import type { Section } from './ini-file.ts';
import { isTrue } from './jail-options.ts';
import { type IniCache, readLayers } from './layering.ts';
import { Mistake } from './mistake.ts';
import { type Place, placeAt, type SourcedText, sourced } from './sourced-text.ts';

/** What an action may be told to run, keys of its [Definition]. */
export const actionCommands = [
  'actionstart',
  'actionstop',
  'actionflush',
  'actionreload',
  'actioncheck',
  'actionrepair',
  'actionban',
  'actionprolong',
  'actionreban',
  'actionunban',
] as const;

/** `actionstart_on_demand`: start with the first ban. `norestored`: not for bans from before a restart. */
export const actionSwitches = ['actionstart_on_demand', 'actionrepair_on_unban', 'norestored'] as const;

export type ActionCommand = (typeof actionCommands)[number];
export type ActionSwitch = (typeof actionSwitches)[number];

/** One action of a jail. Nothing here has been run. */
export type F2bAction =
  | {
      /** Commands for a shell. */
      readonly kind: 'commands';
      /** Unique within the jail: the file's name, or what `actname=` says. */
      readonly name: string;
      /** `iptables-multiport`, as the jail wrote it. */
      readonly file: string;
      readonly place: Place;
      /**
       * The commands, with every tag replaced that does not depend on the ban. What is left is for the moment of the ban: `<ip>`, `<matches>`,
       * and the names that `parameters` has twice, once for each address family (`blocktype?family=inet6`).
       */
      readonly commands: ReadonlyMap<ActionCommand, SourcedText>;
      /** Those that are written. */
      readonly switches: Readonly<Partial<Record<ActionSwitch, boolean>>>;
      /** Parameters from the brackets and from [Init], as written, with `name` and `actname`. */
      readonly parameters: ReadonlyMap<string, string>;
      /** What the action does to the packet filter, if that is all that it does: then our own sets do it. */
      readonly kernel: KernelBan | undefined;
    }
  /** A Python module: it cannot be run here, and is named so that nobody misses it. */
  | {
      readonly kind: 'python';
      readonly name: string;
      readonly file: string;
      readonly place: Place;
      readonly parameters: ReadonlyMap<string, string>;
    };

/** Tags that hold text of clients or belong to the ban: they stay. */
const lateTags: ReadonlySet<string> = new Set(['matches', 'ipmatches', 'ipjailmatches', 'timeout', 'bantime']);

/**
 * Reads the list of actions of a jail.
 *
 * @param action the jail's `action`
 * @param options all options of the jail: an action may use them as variables
 * @throws {Mistake} for an action that is not there, or cannot be read
 */
export function readActions(
  action: SourcedText,
  {
    jail,
    options,
    dir,
    services,
    cache,
  }: { readonly jail: string; readonly options: Section; readonly dir: string; readonly services: string; readonly cache: IniCache },
): readonly F2bAction[] {
  return splitReferences(action.text).map(({ text, offset }) => {
    const place = placeAt(action, offset);
    const parsed = parseReference(text);
    if (typeof parsed === 'string') throw new Mistake(place, `the action "${text}" cannot be read: ${parsed}`);
    return parsed.name.endsWith('.py') ? pythonAction(parsed, place) : shellAction(parsed, { place, jail, options, dir, services, cache });
  });
}

function pythonAction({ name: file, options }: Reference, place: Place): F2bAction {
  const parameters = new Map(options);
  const name = parameters.get('actname') ?? file.replace(/\.py$/, '');
  parameters.delete('actname');
  return { kind: 'python', name, file, place, parameters };
}

interface ActionContext {
  readonly place: Place;
  readonly jail: string;
  readonly options: Section;
  readonly dir: string;
  readonly services: string;
  readonly cache: IniCache;
}

function shellAction({ name: file, options: given }: Reference, { place, jail, options, dir, services, cache }: ActionContext): F2bAction {
  const written = new Map(given);
  const jailName = written.get('name') ?? jail;
  written.set('name', jailName);
  const name = written.get('actname') ?? file + suffixOf(jailName, jail);
  written.set('actname', name);

  const path = file.startsWith('./') ? resolve(file) : file.startsWith('/') ? file : join(dir, 'action.d', file);
  const layers = readLayers(path, cache);
  if (layers === undefined) throw new Mistake(place, `there is no action "${file}": neither ${path}.conf nor ${path}.local is there`);
  const [broken] = layers.mistakes;
  if (broken !== undefined) {
    const { file: at, line, column, message, help } = broken.diagnostic;
    throw new Mistake({ file: at, line, column }, message, help);
  }
  const definition = new Definition(
    layers,
    [...actionCommands, ...actionSwitches],
    new Map([...written].map(([key, value]) => [key, sourced(value, place)])),
  );
  definition.read(options, false);
  const resolved = definition.resolve(lateTags);
  const isOption = new Set<string>([...actionCommands, ...actionSwitches]);
  const parameters = new Map(
    [...definition.parameters].flatMap(([key, { text }]) => (isOption.has(key) || key.startsWith('known/') ? [] : [[key, text] as const])),
  );
  const commands = new Map(actionCommands.flatMap((key) => definedEntry(key, resolved.get(key))));
  const switches = Object.fromEntries(
    actionSwitches.flatMap((key) => definedEntry(key, resolved.get(key))).map(([key, { text }]) => [key, isTrue(text)]),
  );
  const valueOf = (key: string) => (resolved.get(key) ?? definition.lookup(key))?.text;
  return {
    kind: 'commands',
    name,
    file,
    place,
    commands,
    switches,
    parameters,
    kernel: recogniseKernelBan({ file, commands, valueOf, services }),
  };
}

function definedEntry<Key>(key: Key, value: SourcedText | undefined): readonly (readonly [Key, SourcedText])[] {
  return value === undefined ? [] : [[key, value]];
}

/** What makes the action's name unique if it goes by another name than the jail's: `[name=sshd-ddos]` in the jail sshd is `-ddos`. */
function suffixOf(name: string, jail: string): string {
  if (name === jail) return '';
  return name.startsWith(jail) ? name.slice(jail.length) : `-${name}`;
}

/** The lists of ports that our sets close for the jail; undefined: none of its actions is one of those. */
export function kernelPorts(actions: readonly F2bAction[]): readonly Ports[] {
  return actions.flatMap((action) => (action.kind === 'commands' && action.kernel !== undefined ? [action.kernel.ports] : []));
}
