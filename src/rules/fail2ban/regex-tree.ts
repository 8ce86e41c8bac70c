/** `\d`, `\w`, `\s` or its opposite. `ascii`: only ASCII counts (Python's flag `a`). */
export interface CharClass {
  readonly kind: 'class';
  readonly name: 'd' | 'w' | 's';
  readonly negated: boolean;
  readonly ascii: boolean;
}

/** Code points from `from` to `to`, both included. */
export interface CharRange {
  readonly kind: 'range';
  readonly from: number;
  readonly to: number;
}

export interface CharSet {
  readonly negated: boolean;
  readonly parts: readonly (CharClass | CharRange)[];
}

/** `start`: the very beginning; `line-start`: also behind a newline; `end`: the end, also before a final newline; `very-end`: the end alone. */
export type Edge = 'start' | 'line-start' | 'end' | 'line-end' | 'very-end' | 'word' | 'not-word' | 'ascii-word' | 'ascii-not-word';

/** A regular expression of Python's dialect, flags resolved. Groups are numbered from 1, as they open. */
export type Node =
  /** One character. `fold`: letter case does not count. */
  | { readonly kind: 'chars'; readonly set: CharSet; readonly fold: boolean }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly alternatives: readonly Node[] }
  | { readonly kind: 'group'; readonly index: number; readonly body: Node }
  | {
      readonly kind: 'repeat';
      readonly body: Node;
      readonly least: number;
      readonly most: number;
      readonly mode: 'greedy' | 'lazy' | 'possessive';
    }
  | { readonly kind: 'look'; readonly ahead: boolean; readonly negated: boolean; readonly body: Node }
  | { readonly kind: 'atomic'; readonly body: Node }
  | { readonly kind: 'reference'; readonly index: number; readonly fold: boolean; readonly start: number; readonly end: number }
  | { readonly kind: 'conditional'; readonly index: number; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'edge'; readonly at: Edge };

export interface RegexTree {
  readonly root: Node;
  /** How many groups capture, named or not. */
  readonly groups: number;
  readonly names: ReadonlyMap<string, number>;
}

/** Why an expression cannot be used, and where. Offsets are UTF-16 code units of the text that was parsed. */
export class RegexMistake extends Error {
  readonly start: number;
  readonly end: number;
  readonly help: string | undefined;

  constructor(start: number, end: number, message: string, help?: string) {
    super(message);
    this.name = 'RegexMistake';
    this.start = start;
    this.end = Math.max(end, start + 1);
    this.help = help;
  }
}

/** The nodes right below. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'chars':
    case 'reference':
    case 'edge':
      return [];
    case 'sequence':
      return node.items;
    case 'choice':
      return node.alternatives;
    case 'group':
    case 'repeat':
    case 'look':
    case 'atomic':
      return [node.body];
    case 'conditional':
      return [node.yes, node.no];
  }
}

/** Fewest and most characters that a node takes. */
export interface Width {
  readonly least: number;
  readonly most: number;
}

/** @param groups widths of the groups that a reference may name, by index; a reference to another one counts as any width */
export function widthOf(node: Node, groups: ReadonlyMap<number, Width> = new Map()): Width {
  switch (node.kind) {
    case 'chars':
      return { least: 1, most: 1 };
    case 'edge':
    case 'look':
      return { least: 0, most: 0 };
    case 'reference':
      return groups.get(node.index) ?? { least: 0, most: Infinity };
    case 'sequence':
      return node.items.map((item) => widthOf(item, groups)).reduce(add, { least: 0, most: 0 });
    case 'choice':
      return node.alternatives.map((alternative) => widthOf(alternative, groups)).reduce(either);
    case 'conditional':
      return either(widthOf(node.yes, groups), widthOf(node.no, groups));
    case 'group':
    case 'atomic':
      return widthOf(node.body, groups);
    case 'repeat': {
      const { least, most } = widthOf(node.body, groups);
      return { least: least * node.least, most: most === 0 || node.most === 0 ? 0 : most * node.most };
    }
  }
}

function add(one: Width, other: Width): Width {
  return { least: one.least + other.least, most: one.most + other.most };
}

function either(one: Width, other: Width): Width {
  return { least: Math.min(one.least, other.least), most: Math.max(one.most, other.most) };
}
