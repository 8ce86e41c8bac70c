import type { FilterTexts } from '../../model/foreign-filter.ts';
import { asciiMembers } from './regex-chars.ts';
import { isAnchored } from './regex-linear.ts';
import { noFlags, parseRegex, type TextSpan } from './regex-parse.ts';
import { expandTags } from './regex-tags.ts';
import { type CharSet, childrenOf, type Node, RegexMistake } from './regex-tree.ts';

/**
 * An expression of which it is not proved that the address is out of a client's reach: whoever can write into the line, as a user name, a host
 * name or a recipient, could have somebody else banned.
 */
export interface Unproved {
  /** The failregex, from 0. */
  readonly index: number;
  /** Where the reason stands: in the failregex, or in the prefregex before it. */
  readonly option: 'failregex' | 'prefregex';
  /** Offsets there, as written, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  /**
   * `unanchored`: the match may begin anywhere, so that a client's text could hold all of it. `hole`: something before the address fits any text, and
   * something behind it does too, or nothing holds it to the end of the line.
   */
  readonly because: 'unanchored' | 'hole';
  /** What fits any text, as it is written. */
  readonly hole: string;
}

/**
 * Looks at each failregex of a filter. A sufficient condition, from the left or from the right:
 *
 * 1. The expression, and the prefregex that gives it its text, begin at the line's beginning, and nothing before the address takes free text: only
 *    literals, numbers, single words. What the log daemon writes before a message (`__prefix_line`: host, program, process) does not count as such.
 * 2. It begins there with a word of the message, nothing behind the address takes free text, and it ends at the line's end: then the last place where
 *    the rest fits is the one that the program wrote.
 *
 * An expression without an address of its own takes that of another line, and has nothing to prove. One that does not compile is left out.
 */
export function unprovedExpressions({ failregex, prefregex, maxlines, usedns }: FilterTexts): readonly Unproved[] {
  const read = (text: string) => readExpression(text, { names: usedns !== 'no', multiline: maxlines > 1 });
  const prefix = prefregex === undefined ? undefined : read(prefregex);
  return failregex.flatMap((text, index) => {
    const own = read(text);
    return own === undefined ? [] : (judge(own, prefix, index) ?? []);
  });
}

interface Expression {
  readonly option: Unproved['option'];
  readonly text: string;
  readonly root: Node;
  readonly anchored: boolean;
  readonly addresses: ReadonlySet<number>;
  /** Index of the group that is handed on, `<F-CONTENT>`. */
  readonly content: number | undefined;
  readonly spans: ReadonlyMap<Node, TextSpan>;
  /** Where the log daemon's own part ends, in the expanded text. */
  readonly prefixEnd: number;
  readonly sourceOffset: (offset: number) => number;
}

const addressGroups = ['fid', 'ip4', 'ip6', 'dns'];

function readExpression(
  text: string,
  { names, multiline }: { readonly names: boolean; readonly multiline: boolean },
): Expression | undefined {
  const expanded = expandTags(text, { names });
  const spans = new Map<Node, TextSpan>();
  try {
    const tree = parseRegex(expanded.text, { ...noFlags, multiline }, spans);
    return {
      option: 'failregex',
      text,
      root: tree.root,
      anchored: isAnchored(tree.root, ['start', 'line-start']),
      addresses: new Set(addressGroups.flatMap((name) => tree.names.get(name) ?? [])),
      content: tree.names.get('content'),
      spans,
      prefixEnd: prefixEnd(expanded.text),
      sourceOffset: expanded.sourceOffset,
    };
  } catch (error) {
    if (!(error instanceof RegexMistake)) throw error;
    return undefined;
  }
}

/**
 * `__prefix_line` of fail2ban's common.conf, as it comes out: optional parts for what stands before a message. In the form for files the last of
 * them is the message id of Solaris, in the form for the journal it is the kernel's clock.
 */
function prefixEnd(expanded: string): number {
  if (!/^\^(?:\(\?P<mlfid>)?(?:\(\?:\\\[\\\]\)\?)?\\s\*\(\?:/.test(expanded)) return 0;
  for (const last of [solarisId, kernelClock]) {
    const at = expanded.indexOf(last);
    if (at !== -1) return at + last.length;
  }
  return 0;
}

const solarisId = '(?:\\[ID \\d+ \\S+\\]\\s+)?';
const kernelClock = '(?:kernel:\\s?\\[ *\\d+\\.\\d+\\]:?\\s+)?';

/** What stands before a place. */
interface Left {
  /** The first part that takes free text. */
  readonly hole: { readonly node: Node; readonly within: Expression } | undefined;
  /** Letters that stand there in any case, before the hole. */
  readonly letters: number;
}

/** A word: it says which of the program's messages this is. */
const tellingLetters = 3;

function judge(own: Expression, before: Expression | undefined, index: number): readonly Unproved[] | undefined {
  const handsOn = before?.content !== undefined;
  const inPrefix = before === undefined ? [] : placesOf({ ...before, option: 'prefregex' });
  const start: Left = { hole: undefined, letters: 0 };
  const content = handsOn ? inPrefix.find(({ kind }) => kind === 'content') : undefined;
  const ownPlaces = placesOf(own, content?.left ?? start);
  // The failregex's own address counts; without one, the prefregex's.
  const found = ownPlaces.filter(({ kind }) => kind === 'address');
  const places = found.length > 0 ? found : inPrefix.filter(({ kind }) => kind === 'address');
  if (places.length === 0) return undefined;
  const inOwn = found.length > 0;
  const unanchored = before !== undefined && (!inOwn || handsOn) && !before.anchored ? before : inOwn && !own.anchored ? own : undefined;
  if (unanchored !== undefined) {
    const option = unanchored === before ? 'prefregex' : 'failregex';
    return [{ index, option, start: 0, end: Math.min(1, unanchored.text.length), because: 'unanchored', hole: '' }];
  }
  for (const { left, right } of places) {
    if (left.hole === undefined) continue;
    const behind = inOwn && content !== undefined ? [...right, ...content.right] : right;
    if (left.letters >= tellingLetters && heldToEnd(right) && !behind.some((node) => holeIn(node) !== undefined)) {
      if (!inOwn || content === undefined || heldToEnd(content.right)) continue;
    }
    const { node, within } = left.hole;
    const span = within.spans.get(node) ?? { start: 0, end: within.text.length };
    const [from, to] = [within.sourceOffset(span.start), within.sourceOffset(span.end)];
    const end = Math.max(from + 1, to);
    return [{ index, option: within.option, start: from, end, because: 'hole', hole: within.text.slice(from, end) }];
  }
  return undefined;
}

interface Place {
  readonly kind: 'address' | 'content';
  readonly left: Left;
  /** What follows, from the left to the right. */
  readonly right: readonly Node[];
}

/** Where an expression takes an address, or hands text on, with what stands before and behind. */
function placesOf(within: Expression, start: Left = { hole: undefined, letters: 0 }): readonly Place[] {
  const places: Place[] = [];
  const walk = (node: Node, left: Left, right: readonly Node[]): Left => {
    if (node.kind === 'group' && (within.addresses.has(node.index) || node.index === within.content)) {
      places.push({ kind: node.index === within.content ? 'content' : 'address', left, right });
      return left;
    }
    switch (node.kind) {
      case 'sequence': {
        let so = left;
        for (const [at, item] of node.items.entries()) so = walk(item, so, [...node.items.slice(at + 1), ...right]);
        return so;
      }
      case 'choice':
      case 'conditional': {
        const ends = childrenOf(node).map((child) => walk(child, left, right));
        return { hole: ends.find(({ hole }) => hole !== undefined)?.hole, letters: Math.min(...ends.map(({ letters }) => letters)) };
      }
      case 'group':
      case 'atomic':
        return walk(node.body, left, right);
      case 'repeat': {
        if (isFree(node)) return { ...left, hole: left.hole ?? outside(node) };
        const inner = walk(node.body, left, right);
        return { hole: inner.hole, letters: node.least === 0 ? left.letters : inner.letters };
      }
      case 'chars':
        return left.hole === undefined && isLetter(node.set) && !isPrefix(node) ? { ...left, letters: left.letters + 1 } : left;
      case 'look':
      case 'edge':
      case 'reference':
        return left;
    }
  };
  const isPrefix = (node: Node): boolean => (within.spans.get(node)?.start ?? 0) < within.prefixEnd;
  const outside = (node: Node): Left['hole'] => (isPrefix(node) ? undefined : { node, within });
  walk(within.root, start, []);
  return places;
}

/** Whether what follows ends at the end of the line in any case. */
function heldToEnd(right: readonly Node[]): boolean {
  return right.some(endsLine);
}

function endsLine(node: Node): boolean {
  switch (node.kind) {
    case 'edge':
      return node.at === 'end' || node.at === 'very-end' || node.at === 'line-end';
    case 'choice':
    case 'conditional':
      return childrenOf(node).every(endsLine);
    case 'sequence':
      return node.items.some(endsLine);
    case 'group':
    case 'atomic':
      return endsLine(node.body);
    case 'repeat':
      return node.least > 0 && endsLine(node.body);
    case 'chars':
    case 'look':
    case 'reference':
      return false;
  }
}

function holeIn(node: Node): Node | undefined {
  if (node.kind === 'look') return undefined;
  if (node.kind === 'reference' || (node.kind === 'repeat' && isFree(node))) return node;
  for (const child of childrenOf(node)) {
    const hole = holeIn(child);
    if (hole !== undefined) return hole;
  }
  return undefined;
}

/** The shortest address, 1.1.1.1, does not fit into less. */
const shortestAddress = 7;

/** Whether a repetition takes text such as a client chooses: letters, with dots or spaces between. Words and numbers alone hold no address. */
function isFree({ body, most }: Node & { readonly kind: 'repeat' }): boolean {
  const single = withoutGroup(body);
  if (single.kind === 'chars') return most >= shortestAddress && isWide(members(single));
  // `(?:\w+ )*`: words with something between are text too.
  return most >= 2 && isWide(wordsAndGaps(body));
}

function withoutGroup(node: Node): Node {
  return node.kind === 'group' || node.kind === 'atomic' ? withoutGroup(node.body) : node;
}

/** ASCII characters of a repeated part that can take more than one text: of its repeated sets, and of the spaces that stand between. */
function wordsAndGaps(node: Node): readonly boolean[] {
  const sets: (readonly boolean[])[] = [];
  let words = false;
  const collect = (part: Node, repeated: boolean): void => {
    if (part.kind === 'look') return;
    if (part.kind === 'chars') {
      const own = members(part);
      if (repeated && own[letterA] === true) words = true;
      if (repeated || own[space] === true) sets.push(own);
    } else for (const child of childrenOf(part)) collect(child, repeated || (part.kind === 'repeat' && part.most > 1));
  };
  collect(node, false);
  return words ? sets.reduce((so, set) => so.map((member, code) => member || set[code] === true), noMembers) : noMembers;
}

const noMembers: readonly boolean[] = Array.from({ length: 128 }, () => false);
const letterA = 97;
const space = 32;
const dot = 46;

function isWide(set: readonly boolean[]): boolean {
  return set[letterA] === true && (set[space] === true || set[dot] === true);
}

function members({ set, fold }: Node & { readonly kind: 'chars' }): readonly boolean[] {
  return asciiMembers(set, fold);
}

function isLetter({ negated, parts }: CharSet): boolean {
  const [part] = parts;
  return (
    !negated && parts.length === 1 && part?.kind === 'range' && part.from === part.to && /[a-z]/i.test(String.fromCodePoint(part.from))
  );
}
