import { emitRegex } from './regex-emit.ts';
import type { Variant } from './regex-emit.ts';
import { parseRegex } from './regex-parse.ts';
import type { Node, RegexTree } from './regex-tree.ts';

export interface DateHit {
  /** Where the whole expression begins to fit. */
  readonly from: number;
  /** Of the first group. */
  readonly start: number;
  readonly end: number;
  /** By number; only the first two. */
  readonly groups: readonly (string | undefined)[];
  readonly fields: () => ReadonlyMap<string, string>;
}

/** A number that no group has: what stands before the first group. */
const prefixGroup = 0;

/** Compiles an expression for dates, in Python's dialect, bounds included. @throws {RegexMistake} */
export function compileDateSearch(text: string): (line: string, ascii: boolean) => DateHit | undefined {
  const parsed = parseRegex(text);
  const tree = withPrefix(parsed);
  const kept = new Set([...(tree === undefined ? [] : [prefixGroup]), 1, 2, ...parsed.names.values()]);
  const names = [...parsed.names];
  const compile = (variant: Variant): { readonly expression: RegExp; readonly captures: ReadonlyMap<number, number> } => {
    const { source, flags, captures } = emitRegex(tree ?? parsed, variant, kept);
    // Indices of groups cost a second run: only where the first group stands within another.
    return { expression: new RegExp(source, tree === undefined ? `${flags}d` : flags), captures };
  };
  const variants: Record<Variant, ReturnType<typeof compile> | undefined> = { ascii: compile('ascii'), unicode: undefined };
  return (line, ascii) => {
    const variant = ascii ? 'ascii' : 'unicode';
    const { expression, captures } = (variants[variant] ??= compile(variant));
    const found = expression.exec(line);
    if (found === null) return undefined;
    const groups = [found[0], found[captures.get(1) ?? 0], found[captures.get(2) ?? -1]];
    const start =
      tree === undefined ? found.indices?.[captures.get(1) ?? 0]?.[0] : found.index + (found[captures.get(prefixGroup) ?? 0] ?? '').length;
    // A first group that took no part cuts nothing.
    if (start === undefined || groups[1] === undefined) return { from: found.index, start: 0, end: 0, groups, fields: () => new Map() };
    const fields = (): ReadonlyMap<string, string> => {
      const held = new Map<string, string>();
      for (const [name, index] of names) {
        const value = found[captures.get(index) ?? 0];
        if (value !== undefined) held.set(name, value);
      }
      return held;
    };
    return { from: found.index, start, end: start + groups[1].length, groups, fields };
  };
}

// oxlint-disable-next-line no-control-regex
const notAscii = /[^\0-\x7f]/;

export function isAscii(text: string): boolean {
  return !notAscii.test(text);
}

/** The same with a group around what stands before the first group, if that one stands by itself. */
function withPrefix(tree: RegexTree): RegexTree | undefined {
  const items: readonly Node[] = tree.root.kind === 'sequence' ? tree.root.items : [tree.root];
  const place = items.findIndex((item) => item.kind === 'group' && item.index === 1);
  if (place === -1) return undefined;
  const prefix: Node = { kind: 'group', index: prefixGroup, body: { kind: 'sequence', items: items.slice(0, place) } };
  return { ...tree, root: { kind: 'sequence', items: [prefix, ...items.slice(place)] } };
}
