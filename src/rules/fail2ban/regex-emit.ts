import { asciiMembers, asciiSetSource, asciiSize, charSource, unicodeSetSource } from './regex-chars.ts';
import { isCased } from './regex-fold.ts';
import { childrenOf, RegexMistake, widthOf } from './regex-tree.ts';
import type { CharSet, Edge, Node, RegexTree } from './regex-tree.ts';

/** `ascii`: right for text that is all ASCII, and small. `unicode`: right for any text, needs the flag u. */
export type Variant = 'ascii' | 'unicode';

export interface EmittedRegex {
  readonly source: string;
  readonly flags: '' | 'u';
  /** Index of the capture in JavaScript's expression, for each group that was to be kept. */
  readonly captures: ReadonlyMap<number, number>;
}

/**
 * Writes the tree as a JavaScript expression that finds what Python finds.
 *
 * Never uses modifiers, the flags i, m and s, or named groups: V8 has missed matches inside `(?i:..)`, and the rest differs from Python.
 * Two differences remain, both within a repetition: JavaScript forgets at each new round what groups took in the one before, and it goes
 * no further round in which the repeated part takes nothing, where Python goes one.
 *
 * @throws {RegexMistake} for the little that has no exact translation
 */
export function emitRegex(tree: RegexTree, variant: Variant, kept: ReadonlySet<number>): EmittedRegex {
  const emitter = new Emitter(tree, variant, kept);
  const source = emitter.source(tree.root);
  return { source, flags: variant === 'unicode' ? 'u' : '', captures: emitter.captures };
}

class Emitter {
  readonly captures = new Map<number, number>();
  private readonly tree: RegexTree;
  private readonly variant: Variant;
  private readonly kept: ReadonlySet<number>;
  /** Groups of which one must be able to say whether they took part. */
  private readonly marked: ReadonlySet<number>;
  private readonly referred: ReadonlySet<number>;
  private readonly markers = new Map<number, number>();
  private count = 0;

  constructor(tree: RegexTree, variant: Variant, kept: ReadonlySet<number>) {
    this.tree = tree;
    this.variant = variant;
    this.kept = kept;
    const { marked, referred } = wantedGroups(tree.root);
    this.marked = marked;
    this.referred = referred;
  }

  source(node: Node): string {
    switch (node.kind) {
      case 'chars':
        return this.chars(node.set, node.fold);
      case 'sequence':
        return node.items.map((item) => (item.kind === 'choice' ? `(?:${this.source(item)})` : this.source(item))).join('');
      case 'choice':
        return node.alternatives.map((alternative) => this.source(alternative)).join('|');
      case 'group':
        return this.group(node);
      case 'repeat':
        return this.repeat(node);
      case 'look':
        return `(?${node.ahead ? '' : '<'}${node.negated ? '!' : '='}${this.source(node.body)})`;
      case 'atomic':
        return this.atomic(() => this.source(node.body));
      case 'reference':
        return this.reference(node);
      case 'conditional': {
        const marker = this.markers.get(node.index);
        // A group that opens later has not taken part.
        if (marker === undefined) return `(?:${this.source(node.no)})`;
        return `(?:${tookPart(marker)}(?:${this.source(node.yes)})|${tookNoPart(marker)}(?:${this.source(node.no)}))`;
      }
      case 'edge':
        return this.edge(node.at);
    }
  }

  private chars(set: CharSet, fold: boolean): string {
    const [only] = set.parts;
    // Most of an expression are letters that stand for themselves.
    if (!fold && !set.negated && set.parts.length === 1 && only?.kind === 'range' && only.from === only.to && only.from < asciiSize)
      return charSource(only.from);
    return this.variant === 'ascii' ? asciiSetSource(asciiMembers(set, fold)) : unicodeSetSource(set, fold);
  }

  private group({ index, body }: Node & { kind: 'group' }): string {
    const captured = this.kept.has(index) || this.referred.has(index);
    const opening = captured ? '(' : '(?:';
    if (captured) this.captures.set(index, ++this.count);
    if (!this.marked.has(index)) return `${opening}${this.source(body)})`;
    this.markers.set(index, ++this.count);
    // The whole text: whatever is left of it, twice that is more. Only an empty text could not tell, and a line has its newline.
    return `${opening}(?<=^(?=([^]+))[^]*)(?:${this.source(body)}))`;
  }

  private repeat({ body, least, most, mode }: Node & { kind: 'repeat' }): string {
    const lazy = mode === 'lazy' ? '?' : '';
    const { least: shortest } = widthOf(body);
    if (least === 0 && most === 1 && shortest === 0) {
      // JavaScript takes an optional part that matched nothing for one that was left out; Python does not, and groups show it.
      const source = (): string => (mode === 'lazy' ? `(?:|${this.source(body)})` : `(?:${this.source(body)}|)`);
      return mode === 'possessive' ? this.atomic(source) : source();
    }
    const quantifier = quantifierOf(least, most);
    const wrap = (): string => {
      const inner = this.source(body);
      return body.kind === 'chars' && !inner.startsWith('(') ? inner : `(?:${inner})`;
    };
    if (mode === 'possessive') return this.atomic(() => `${wrap()}${quantifier}`);
    return `${wrap()}${quantifier}${lazy}`;
  }

  /** A lookahead is never entered again, so what it captured is all that can be taken. */
  private atomic(inner: () => string): string {
    const capture = ++this.count;
    return `(?=(${inner()}))(?:\\${capture})`;
  }

  private reference({ index, fold, start, end }: Node & { kind: 'reference' }): string {
    if (fold && groupIsCased(this.tree.root, index))
      throw new RegexMistake(
        start,
        end,
        'a reference to text whose letter case does not count cannot be translated exactly',
        'write the text again',
      );
    const capture = this.captures.get(index) ?? 0;
    const marker = this.markers.get(index);
    // In Python a reference to a group that took no part fails; in JavaScript it matches nothing.
    return `${marker === undefined ? '' : tookPart(marker)}(?:\\${capture})`;
  }

  private edge(at: Edge): string {
    switch (at) {
      case 'start':
        return '^';
      case 'very-end':
        return '$';
      case 'end':
        return '(?=\\n?$)';
      case 'line-start':
        return '(?<![^\\n])';
      case 'line-end':
        return '(?![^\\n])';
      case 'ascii-word':
        return '\\b';
      case 'ascii-not-word':
        return '\\B';
      case 'word':
        return this.variant === 'ascii' ? '\\b' : `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
      case 'not-word':
        return this.variant === 'ascii' ? '\\B' : `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
    }
  }
}

const word = '[\\p{L}\\p{N}_]';

/** The marker twice is longer than the text, so it cannot follow; a marker that is not set matches nothing, twice. */
function tookPart(marker: number): string {
  return `(?!(?:\\${marker})(?:\\${marker}))`;
}

function tookNoPart(marker: number): string {
  return `(?=(?:\\${marker})(?:\\${marker}))`;
}

function quantifierOf(least: number, most: number): string {
  if (most === Infinity) return least === 0 ? '*' : least === 1 ? '+' : `{${least},}`;
  if (least === 0 && most === 1) return '?';
  return least === most ? `{${least}}` : `{${least},${most}}`;
}

/** Groups that conditions and references name; of the latter, `marked` has those that may have taken no part. */
function wantedGroups(root: Node): { readonly marked: ReadonlySet<number>; readonly referred: ReadonlySet<number> } {
  const marked = new Set<number>();
  const referred = new Set<number>();
  const visit = (node: Node, certain: ReadonlySet<number>): void => {
    if (node.kind === 'conditional') marked.add(node.index);
    if (node.kind === 'reference') {
      referred.add(node.index);
      if (!certain.has(node.index)) marked.add(node.index);
    }
    if (node.kind === 'sequence') {
      let known = certain;
      for (const item of node.items) {
        visit(item, known);
        known = new Set([...known, ...certainGroups(item)]);
      }
      return;
    }
    for (const child of childrenOf(node)) visit(child, certain);
  };
  visit(root, new Set());
  return { marked, referred };
}

/** Groups that have taken part whenever the node has matched. */
function certainGroups(node: Node): readonly number[] {
  switch (node.kind) {
    case 'group':
      return [node.index, ...certainGroups(node.body)];
    case 'sequence':
      return node.items.flatMap(certainGroups);
    case 'atomic':
      return certainGroups(node.body);
    case 'repeat':
      return node.least > 0 ? certainGroups(node.body) : [];
    case 'look':
      return node.negated ? [] : certainGroups(node.body);
    case 'choice':
    case 'conditional':
    case 'chars':
    case 'edge':
    case 'reference':
      return [];
  }
}

function groupIsCased(node: Node, index: number): boolean {
  if (node.kind === 'group' && node.index === index) return hasCase(node.body);
  return childrenOf(node).some((child) => groupIsCased(child, index));
}

function hasCase(node: Node): boolean {
  if (node.kind === 'reference') return true;
  if (node.kind !== 'chars') return childrenOf(node).some(hasCase);
  const { negated, parts } = node.set;
  return negated || parts.some((part) => (part.kind === 'class' ? part.name === 'w' || part.negated : isCased(part.from, part.to)));
}
