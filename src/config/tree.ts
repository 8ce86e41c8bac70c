import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Diagnostic } from '../diagnostic.ts';
import { type ScalarStyle, scalarOffsets } from '../model/scalar-offsets.ts';
import type { Place } from './config.ts';
import { explainYaml } from './yaml-mistakes.ts';

/** A piece of a file, within one line. */
export interface Span extends Place {
  /** In UTF-16 code units, at least 1. */
  readonly length: number;
}

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly span: Span;
  readonly value: string | number | boolean | null;
  /** Where a part of a text was written, by offsets in `value`: quotes and escapes lie between. Of texts alone. */
  readonly part?: (start: number, end: number) => Span;
}

export interface ListTree {
  readonly kind: 'list';
  readonly span: Span;
  readonly items: readonly Tree[];
}

export interface MapTree {
  readonly kind: 'map';
  readonly span: Span;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly key: Span;
  readonly value: Tree;
}

/** A YAML document whose every value knows where it was written. */
export type Tree = ScalarTree | ListTree | MapTree;

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** No sensible file is deeper; the bound keeps what walks the tree from running out of stack. */
const maxDepth = 32;

/** Values that aliases may stand for, each counted with all that is below it. An "alias bomb" of ten lines stands for billions. */
const maxAliasedValues = 10_000;

/** Mistakes in the YAML itself that are shown of one file; each tends to cause others. */
const maxSyntaxMistakes = 20;

/** What of the library's scalars is looked at. */
interface ScalarNode {
  readonly value: unknown;
  readonly source?: string;
  readonly type?: string;
  readonly range?: readonly [number, number, number] | null | undefined;
}

const styles: Readonly<Record<string, ScalarStyle>> = {
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
  BLOCK_LITERAL: 'block',
  BLOCK_FOLDED: 'block',
};

/** The library calls itself for each level of nesting. @returns undefined where the stack does not suffice */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Reads one YAML 1.2 document.
 *
 * @param report is told of each mistake
 * @returns `tree` undefined: the file holds nothing but comments. `broken`: it is not YAML, so that nothing can be said of the rest
 */
export function parseTree(
  file: SourceFile,
  report: (mistake: Diagnostic) => void,
): { readonly tree: Tree | undefined; readonly broken: boolean } {
  const lines = new LineCounter();
  // uniqueKeys: we look ourselves, because the library compares each key with each other key, and does not say where the first one is.
  const document = parsed(() => parseDocument(file.text, { version: '1.2', lineCounter: lines, prettyErrors: false, uniqueKeys: false }));
  const spanOf = (from: number, to: number): Span => {
    // An error at the end of the file may lie behind its last character.
    const start = Math.min(from, file.text.length);
    const { line, col } = lines.linePos(start);
    const lineEnd = file.text.indexOf('\n', start);
    const end = Math.min(to, lineEnd === -1 ? file.text.length : lineEnd);
    return { file: file.path, line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, end - start) };
  };
  const mistake = (span: Span, message: string, help?: string) => report({ ...span, message, help, severity: 'error' });

  if (document === undefined) {
    mistake(spanOf(0, 1), 'the file is nested too deeply');
    return { tree: undefined, broken: true };
  }
  if (document.directives?.yaml.version === '1.1') {
    mistake(spanOf(0, file.text.length), 'this file asks for YAML 1.1; configuration is YAML 1.2', 'remove the line "%YAML 1.1"');
    return { tree: undefined, broken: true };
  }
  // A warning is an unknown tag: a value that is not what it says it is.
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const seen = new Set<number>();
    for (const error of faults) {
      const span = spanOf(error.pos[0], error.pos[1]);
      if (seen.has(span.line) || seen.size === maxSyntaxMistakes) continue;
      seen.add(span.line);
      const { message, help } = explainYaml(error);
      mistake(span, message, help);
    }
    return { tree: undefined, broken: true };
  }

  let aliased = 0;
  /** undefined while the anchored value is being read: an alias in there would make it contain itself. */
  const anchors = new Map<string, { readonly tree: Tree; readonly size: number } | undefined>();

  const convert = (node: unknown, parent: Span, depth: number): { readonly tree: Tree; readonly size: number } => {
    const span = isNode(node) ? (rangeOf(node.range) ?? parent) : parent;
    const nothing = { tree: { kind: 'scalar', span, value: null }, size: 1 } as const;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target === undefined) {
        const because = anchors.has(node.source) ? 'stands within what it names' : 'names no anchor above it';
        mistake(span, `the alias *${node.source} ${because}`, 'write the value itself; a text that begins with "*" needs quotes');
        return nothing;
      }
      const before = aliased;
      aliased += target.size;
      if (aliased <= maxAliasedValues) return target;
      if (before <= maxAliasedValues) mistake(span, `the aliases of this file stand for more than ${maxAliasedValues} values`);
      return nothing;
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return nothing;
    if (depth > maxDepth) {
      mistake(span, `nested more than ${maxDepth} deep`);
      return nothing;
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, undefined);
    const converted = isScalar(node) ? scalar(node, span) : isSeq(node) ? list(node.items, span, depth) : map(node.items, span, depth);
    if (node.anchor !== undefined) anchors.set(node.anchor, converted);
    return converted;
  };

  const rangeOf = (range: readonly [number, number, number] | null | undefined) => (range ? spanOf(range[0], range[1]) : undefined);

  const partOf =
    ({ range, type = '' }: Pick<ScalarNode, 'range' | 'type'>, value: string, span: Span) =>
    (start: number, end: number): Span => {
      if (!range) return span;
      const offsets = scalarOffsets(file.text.slice(range[0], range[1]), value, styles[type] ?? 'plain');
      const from = range[0] + (offsets[start] ?? 0);
      return spanOf(from, Math.max(from + 1, range[0] + (offsets[end] ?? 0)));
    };

  const scalar = (node: ScalarNode, span: Span) => {
    const { value, source = '' } = node;
    if (typeof value === 'number' && /^[-+]?0\d/.test(source)) {
      const decimal = String(value);
      mistake(
        span,
        `found ${source}, which is ${decimal} in YAML 1.2, not octal`,
        `write ${decimal}, or "${source}" in quotes if it is a text`,
      );
    }
    if (typeof value === 'string') return { tree: { kind: 'scalar', span, value, part: partOf(node, value, span) } as const, size: 1 };
    const plain = typeof value === 'number' || typeof value === 'boolean' ? value : null;
    return { tree: { kind: 'scalar', span, value: plain } as const, size: 1 };
  };

  const list = (nodes: readonly unknown[], span: Span, depth: number) => {
    const items = nodes.map((node) => convert(node, span, depth + 1));
    return { tree: { kind: 'list', span, items: items.map(({ tree }) => tree) } as const, size: sum(items) };
  };

  const map = (pairs: readonly { readonly key: unknown; readonly value: unknown }[], span: Span, depth: number) => {
    const entries = new Map<string, Entry>();
    const sizes: { readonly size: number }[] = [];
    for (const pair of pairs) {
      const key = isScalar(pair.key) ? keySpan(pair.key.range, span) : convert(pair.key, span, depth + 1).tree.span;
      const name = isScalar(pair.key) ? (pair.key.source ?? '') : undefined;
      const converted = convert(pair.value, key, depth + 1);
      sizes.push(converted);
      if (name === undefined) {
        mistake(key, 'found a list, a mapping or an alias as a key, wanted a word');
        continue;
      }
      if (name === '<<') {
        mistake(key, 'the merge key "<<" is YAML 1.1; this file is read as YAML 1.2', 'write the keys out, or put them under "defaults:"');
        continue;
      }
      const first = entries.get(name);
      if (first !== undefined) {
        mistake(key, `the key "${name}" is given twice; first in line ${first.key.line}`, 'keep one of them');
        continue;
      }
      entries.set(name, { key, value: converted.tree });
    }
    return { tree: { kind: 'map', span, entries } as const, size: sum(sizes) };
  };

  const keySpan = (range: readonly [number, number, number] | null | undefined, parent: Span) => rangeOf(range) ?? parent;

  if (document.contents === null) return { tree: undefined, broken: false };
  const start = spanOf(0, 1);
  const { tree } = convert(document.contents, start, 0);
  return { tree: tree.kind === 'scalar' && tree.value === null ? undefined : tree, broken: aliased > maxAliasedValues };
}

function sum(items: readonly { readonly size: number }[]): number {
  let total = 1;
  for (const { size } of items) total += size;
  return total;
}

/** The tree as plain values. Maps have no prototype: their keys come from a file. */
export function plainValue(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(plainValue);
    case 'map': {
      const plain: Record<string, unknown> = Object.create(null);
      for (const [key, { value }] of tree.entries) plain[key] = plainValue(value);
      return plain;
    }
  }
}

export type Path = readonly (string | number)[];

/** The tree at a path; undefined if there is none. */
export function treeAt(tree: Tree | undefined, path: Path): Tree | undefined {
  let at = tree;
  for (const step of path) {
    if (at?.kind === 'map') at = at.entries.get(String(step))?.value;
    else if (at?.kind === 'list') at = at.items[Number(step)];
    else return undefined;
  }
  return at;
}

/** Where the key at the end of a path was written. */
export function keyAt(tree: Tree | undefined, path: Path): Span | undefined {
  const parent = treeAt(tree, path.slice(0, -1));
  return parent?.kind === 'map' ? parent.entries.get(String(path.at(-1)))?.key : undefined;
}

/** Later scalars win, lists replace lists, maps merge. */
export function mergeTrees(below: Tree | undefined, above: Tree | undefined): Tree | undefined {
  if (below === undefined || above === undefined) return above ?? below;
  if (below.kind !== 'map' || above.kind !== 'map') {
    // `jails:` with nothing below it takes nothing away.
    return above.kind === 'scalar' && above.value === null && below.kind !== 'scalar' ? below : above;
  }
  const entries = new Map(below.entries);
  for (const [name, entry] of above.entries) {
    const value = mergeTrees(below.entries.get(name)?.value, entry.value) ?? entry.value;
    entries.set(name, { key: entry.key, value });
  }
  return { kind: 'map', span: below.span, entries };
}
