import type { ForeignRegex, RegexHit } from '../../model/foreign-filter.ts';
import { emitRegex } from './regex-emit.ts';
import type { Variant } from './regex-emit.ts';
import { isLinear } from './regex-linear.ts';
import { requiredLiterals } from './regex-literals.ts';
import { noFlags, parseRegex } from './regex-parse.ts';
import { expandTags, groupName } from './regex-tags.ts';
import { RegexMistake } from './regex-tree.ts';
import type { RegexTree } from './regex-tree.ts';

export interface CompileSettings {
  /** `maxlines` above 1: `^` and `$` also stand at newlines. */
  readonly multiline: boolean;
  /** Whether `<HOST>` takes names too: `usedns` is not `no`. */
  readonly names: boolean;
}

/**
 * Compiles one failregex, ignoreregex or prefregex.
 *
 * @throws {RegexMistake} with offsets in the text as it was written
 */
export function compileRegex(text: string, { multiline, names }: CompileSettings): ForeignRegex {
  if (text.trimStart() === '') throw new RegexMistake(0, 1, 'the expression is empty');
  const expanded = expandTags(text, { names });
  try {
    const tree = parseRegex(expanded.text, { ...noFlags, multiline });
    const search = searcher(tree);
    return { text, literals: requiredLiterals(tree.root), linear: isLinear(tree), groupNames: new Set(tree.names.keys()), search };
  } catch (error) {
    if (!(error instanceof RegexMistake)) throw error;
    throw new RegexMistake(expanded.sourceOffset(error.start), expanded.sourceOffset(error.end), error.message, error.help);
  }
}

/** Groups of a failure that say who it was, in the order in which they count; `mlfid` joins lines that say it later. */
export const offenderGroups: readonly string[] = ['fid', 'ip4', 'ip6', 'dns', 'mlfid'];

/** @throws {RegexMistake} if neither the failregex nor the prefregex names an offender */
export function checkOffender(failRegex: ForeignRegex, prefRegex: ForeignRegex | undefined): void {
  if (offenderGroups.some((name) => failRegex.groupNames.has(name) || prefRegex?.groupNames.has(name) === true)) return;
  throw new RegexMistake(
    0,
    failRegex.text.length,
    'nothing in this expression says who is to be banned',
    'put <HOST> where the address stands',
  );
}

/** Whether a text holds nothing but ASCII: then the smaller expression will do. */
// oxlint-disable-next-line no-control-regex
const notAscii = /[^\0-\x7f]/;

function searcher(tree: RegexTree): ForeignRegex['search'] {
  const names = [...tree.names];
  const kept = new Set(tree.names.values());
  const merges = mergesOf(names.map(([name]) => name));
  const variants: Record<Variant, CompiledVariant | undefined> = { ascii: compileVariant(tree, 'ascii', kept), unicode: undefined };
  return (text, ascii = !notAscii.test(text)) => {
    const variant = ascii ? 'ascii' : 'unicode';
    const { expression, slots } = (variants[variant] ??= compileVariant(tree, variant, kept));
    const found = expression.exec(text);
    return found === null ? undefined : new Hit(found, slots, merges);
  };
}

/** A named group, and where the engine has it. */
interface Slot {
  readonly name: string;
  readonly index: number;
}

interface CompiledVariant {
  readonly expression: RegExp;
  readonly slots: readonly Slot[];
}

/** The map of the groups is made when somebody asks: a prefregex has one group that matters, an ignoreregex none. */
class Hit implements RegexHit {
  readonly start: number;
  readonly end: number;
  private readonly found: RegExpExecArray;
  private readonly slots: readonly Slot[];
  private readonly merges: readonly Merge[];
  private made: ReadonlyMap<string, string> | undefined = undefined;

  constructor(found: RegExpExecArray, slots: readonly Slot[], merges: readonly Merge[]) {
    this.start = found.index;
    this.end = found.index + found[0].length;
    this.found = found;
    this.slots = slots;
    this.merges = merges;
  }

  get groups(): ReadonlyMap<string, string> {
    return (this.made ??= this.make());
  }

  group(name: string): string | undefined {
    if (this.merges.length > 0) return this.groups.get(name);
    for (const slot of this.slots) if (slot.name === name) return this.found[slot.index];
    return undefined;
  }

  private make(): ReadonlyMap<string, string> {
    const groups = new Map<string, string>();
    for (const { name, index } of this.slots) {
      const value = this.found[index];
      if (value !== undefined) groups.set(name, value);
    }
    for (const merge of this.merges) merge(groups);
    return groups;
  }
}

function compileVariant(tree: RegexTree, variant: Variant, kept: ReadonlySet<number>): CompiledVariant {
  const { source, flags, captures } = emitRegex(tree, variant, kept);
  try {
    const slots = [...tree.names].map(([name, group]) => ({ name, index: captures.get(group) ?? 0 }));
    return { expression: new RegExp(source, flags), slots };
  } catch (error) {
    // Too large, most likely: V8 sets bounds that Python does not have.
    throw new RegexMistake(0, 1, `this expression is too much for the engine: ${error instanceof Error ? error.message : String(error)}`);
  }
}

type Merge = (groups: Map<string, string>) => void;

/** `alt_user`, `alt_user_1` stand in for an empty `user`; `tuple_user_1` and so on are joined to it. */
function mergesOf(names: readonly string[]): readonly Merge[] {
  const named = names
    .flatMap((name) => {
      const [, kind, target = ''] = /^(alt|tuple)_(.*?)(?:_\d+)?$/.exec(name) ?? [];
      return kind === undefined ? [] : [{ name, kind, target: groupName(target) }];
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const alternates = named
    .filter(({ kind }) => kind === 'alt')
    .map(({ name, target }): Merge => {
      return (groups) => {
        const value = groups.get(name) ?? '';
        if (value !== '' && (groups.get(target) ?? '') === '') groups.set(target, value);
      };
    });
  const targets = new Map<string, string[]>();
  for (const { kind, name, target } of named) if (kind === 'tuple') targets.set(target, [...(targets.get(target) ?? []), name]);
  const tuples = [...targets].map(([target, parts]): Merge => {
    return (groups) => {
      // Written as JSON, so that two different tuples are never one text.
      groups.set(target, JSON.stringify([groups.get(target) ?? null, ...parts.map((name) => groups.get(name) ?? null)]));
    };
  });
  return [...alternates, ...tuples];
}
