import { type HolePlace, type HoleUse, hole, readShell } from './shell-text.ts';

/**
 * Commands in which fail2ban puts what belongs to a ban in the place of tags. What a client wrote never becomes part of the script: it is handed over
 * in an environment variable, and the script names that variable, quoted as the place of the tag needs it.
 */

/** Tags whose values are made of letters, digits and `: . , _ -` alone, whoever caused the ban. */
const valueTags: ReadonlySet<string> = new Set([
  'ip',
  'family',
  'ip-rev',
  'ip-host',
  'fid',
  'failures',
  'time',
  'bantime',
  'bancount',
  'restored',
  'ipfailures',
  'ipjailfailures',
  'jail.banned',
  'jail.banned_total',
  'jail.found',
  'jail.found_total',
]);

/** Lines of the log. */
const lineTags: ReadonlySet<string> = new Set(['matches', 'ipmatches', 'ipjailmatches']);

/** `<F-USER>`: what the filter captured. */
const captureTag = /^F-[A-Z0-9_-]+$/;

const tags = /<([^ <>]+)>/g;

/** Characters of one command, once its tags are replaced: beyond, a parameter names itself. */
const maxScriptLength = 65_536;
/** Passes of one tag after the other, as in fail2ban. */
const maxPasses = 26;

export class ForeignCommandError extends Error {
  override name = 'ForeignCommandError';
}

/** A script, cut where values of the ban go in. */
export interface ForeignCommand {
  readonly parts: readonly (string | ForeignTag)[];
  /** A text could not be handed over there as nothing but data. Not to be run. */
  readonly refused: readonly { readonly tag: string; readonly why: string }[];
}

export interface ForeignTag {
  /** Without its brackets. */
  readonly tag: string;
  readonly place: HolePlace;
  /** The variable that holds a text; undefined: it is a value, and becomes a part of the script. */
  readonly variable: string | undefined;
}

/**
 * Replaces tags by parameters, over and over, since parameters hold tags as well. For the family `inet6`, `key?family=inet6` comes before `key`. What nobody
 * defines stays.
 *
 * @param family `inet4`, `inet6`, or the empty string where the command is the same for both
 * @throws {ForeignCommandError} if that does not come to an end
 */
export function replaceParameters(text: string, parameters: ReadonlyMap<string, string>, family: string): string {
  let from = text;
  for (let pass = 0; pass < maxPasses; pass++) {
    const to = from.replaceAll(tags, (written, tag: string) => {
      const conditional = family === '' ? undefined : parameters.get(`${tag}?family=${family}`);
      return conditional ?? parameters.get(tag) ?? written;
    });
    if (to === from) return to;
    if (to.length > maxScriptLength) break;
    from = to;
  }
  throw new ForeignCommandError(`a parameter names itself: ${text.slice(0, 80)}`);
}

/** @param script with its parameters replaced */
export function compileForeignCommand(script: string): ForeignCommand {
  const found: { readonly tag: string; readonly start: number; readonly end: number }[] = [];
  for (const { 0: written, 1: tag = '', index } of script.matchAll(tags)) {
    if (valueTags.has(tag) || isText(tag)) found.push({ tag, start: index, end: index + written.length });
  }
  let text = '';
  let end = 0;
  for (const each of found) {
    text += plain(script.slice(end, each.start)) + hole;
    end = each.end;
  }
  const { holes, commands } = readShell(text + plain(script.slice(end)));
  const reader = commands.map(readsProgram).find((name) => name !== undefined);

  const parts: (string | ForeignTag)[] = [];
  const refused: { tag: string; why: string }[] = [];
  end = 0;
  for (const [index, { tag, start, end: behind }] of found.entries()) {
    const use = holes[index] ?? { place: 'unsure', use: 'argument', before: '', words: [] };
    parts.push(plain(script.slice(end, start)), { tag, place: use.place, variable: isText(tag) ? variableOf(tag) : undefined });
    end = behind;
    const why = isText(tag) && use.place !== 'comment' ? whyUnsafe(use, reader) : undefined;
    if (why !== undefined) refused.push({ tag, why });
  }
  parts.push(plain(script.slice(end)));
  if (script.includes('<raw-ticket>')) refused.push({ tag: 'raw-ticket', why: 'it is how fail2ban itself prints a ban' });
  return { parts, refused };
}

/** What a shell cannot be told anyhow. */
function plain(text: string): string {
  return text.replaceAll('\0', '');
}

function isText(tag: string): boolean {
  return lineTags.has(tag) || captureTag.test(tag);
}

/** Two captures must not share a variable: `<F-A-B>` and `<F-A_B>`. */
function variableOf(tag: string): string {
  return `f2bV_${tag.replaceAll(/[^A-Za-z0-9]/g, (char) => (char === '-' ? '_' : '__'))}`;
}

/** The script for one ban, and the variables that it names. */
export function fillIn(
  command: ForeignCommand,
  valueOf: (tag: string) => string,
): { readonly script: string; readonly variables: Record<string, string> } {
  const variables: Record<string, string> = {};
  let script = '';
  for (const part of command.parts) {
    if (typeof part === 'string') script += part;
    else if (part.variable === undefined) script += safeValue(part.tag, valueOf(part.tag));
    else if (part.place !== 'comment') {
      variables[part.variable] = valueOf(part.tag);
      script += naming(part.variable, part.place);
    }
  }
  return { script, variables };
}

/** The last look before a value becomes part of a command. */
function safeValue(tag: string, value: string): string {
  if (!/^(?:[A-Za-z0-9:.,_-]*|[0-9a-f:.]+\/\d{1,3})$/.test(value))
    throw new ForeignCommandError(`<${tag}> would be ${JSON.stringify(value.slice(0, 80))}`);
  return value;
}

function naming(variable: string, place: HolePlace): string {
  switch (place) {
    // One word whatever it holds, and none if it is empty: that is what its text would have been.
    case 'bare':
      return `\${${variable}:+"\$${variable}"}`;
    case 'double':
    case 'here':
      return `\${${variable}}`;
    case 'single':
      return `'"\${${variable}}"'`;
    case 'comment':
    case 'unsure':
      throw new ForeignCommandError(`${variable} has no place in a command that is refused`);
  }
}

/** Their arguments are, or become, commands, from wherever they come. */
const runners: ReadonlySet<string> = new Set(['eval', '.', 'source', 'trap', 'xargs', 'parallel', 'at', 'batch', 'crontab']);
/** Their arguments are a command elsewhere. */
const carriers: ReadonlySet<string> = new Set(['ssh', 'su', 'runuser', 'watch', 'script']);
/** The program is an argument of theirs, or the first one, or stdin. */
const interpreter = /^(?:sh|bash|dash|ash|ksh|zsh|fish|csh|tcsh|perl|python[\d.]*|ruby|php|node|lua[\d.]*|tclsh|expect)$/;
/** The same, but never from stdin. */
const editor = /^(?:sed|awk|gawk|mawk|nawk|jq)$/;
/** What they run stands behind them. */
const wrappers: ReadonlySet<string> = new Set(
  'sudo doas env nice ionice timeout nohup exec command builtin busybox setsid chroot flock stdbuf unshare nsenter systemd-run'.split(' '),
);

function programOf(words: readonly string[]): { readonly name: string; readonly args: readonly string[] } {
  const names = words.map((word) => word.slice(word.lastIndexOf('/') + 1));
  const isWrapped = wrappers.has(names[0] ?? '');
  const known = (name: string) => runners.has(name) || carriers.has(name) || interpreter.test(name) || editor.test(name);
  const at = isWrapped ? Math.max(0, names.findIndex(known)) : 0;
  return { name: names[at] ?? '', args: words.slice(at + 1) };
}

/** @returns the program that would run whatever it is handed, from its arguments or from stdin */
function readsProgram(words: readonly string[]): string | undefined {
  const { name, args } = programOf(words);
  if (runners.has(name)) return name;
  return interpreter.test(name) && (args.includes('-s') || !args.some((arg) => arg === '-c' || !arg.startsWith('-'))) ? name : undefined;
}

function whyUnsafe({ place, use, before, words }: HoleUse, reader: string | undefined): string | undefined {
  if (place === 'unsure') return 'what the shell would make of a text there cannot be told';
  if (use === 'target') return 'a text of the log would be the name of a file';
  if (/^(?:\/|\.{1,2}\/|~)/.test(before)) return 'a text of the log would be part of a path';
  if (use === 'command') return 'a text of the log would name the program to run';
  if (reader !== undefined) return `${reader} in the same command would run what it is handed`;
  const { name, args } = programOf(words);
  if (carriers.has(name)) return `a text of the log would be part of a command for ${name}`;
  if (!interpreter.test(name) && !editor.test(name)) return undefined;
  const last = args.at(-1);
  const isCode = last === undefined || !args.some((arg) => !arg.startsWith('-')) || (/^-[A-Za-z]+$/.test(last) && last !== '-v');
  const isAssigned = last === '-v' && name.endsWith('awk');
  return isCode && !isAssigned ? `a text of the log would be part of a program for ${name}` : undefined;
}
