import { asciiMembers, asciiSize } from './regex-chars.ts';
import { widthOf } from './regex-tree.ts';
import type { CharSet, Edge, Node, RegexTree } from './regex-tree.ts';

/** Most ways, that do not depend on the text, in which an expression may be tried from one place. */
const mostWays = 4_096;
/** A repetition of a group is looked at as so many copies at most. */
const mostCopies = 8;
const longestLook = 256;

/**
 * Whether time linear in the text is proved for a backtracking engine. A sufficient condition, and a simple one:
 *
 * 1. The expression is tried from one place only (`^`), or takes a bounded number of characters.
 * 2. Only single characters repeat without bound. Such a repetition shares no character with what can follow, so that giving back never
 *    helps, and that is seen at once; or it does, and then nothing behind it repeats without bound.
 * 3. Everything else has a bounded number of ways to match from a place: alternatives, options, bounded repetitions. They are multiplied.
 * 4. Lookarounds are bounded; there are no references and conditions.
 */
export function isLinear({ root }: RegexTree): boolean {
  const { ways, unbounded } = costOf(root, { first: noChars, unbounded: false });
  return ways <= mostWays && (!unbounded || isAnchored(root));
}

/** For each ASCII character whether it is meant; the last one stands for all others. */
type Chars = readonly boolean[];

const noChars: Chars = Array.from({ length: asciiSize + 1 }, () => false);
const allChars: Chars = noChars.map(() => true);

/** What comes behind a node. */
interface Tail {
  /** Characters with which it can begin. */
  readonly first: Chars;
  /** Something in it repeats without bound. */
  readonly unbounded: boolean;
}

interface Cost {
  /** Infinity: not proved. */
  readonly ways: number;
  readonly unbounded: boolean;
}

const constant: Cost = { ways: 1, unbounded: false };
const unproved: Cost = { ways: Infinity, unbounded: true };

function costOf(node: Node, tail: Tail): Cost {
  switch (node.kind) {
    case 'chars':
    case 'edge':
      return constant;
    case 'group':
    case 'atomic':
      return costOf(node.body, tail);
    case 'reference':
    case 'conditional':
      return unproved;
    case 'look':
      return widthOf(node.body).most <= longestLook ? costOf(node.body, { first: noChars, unbounded: false }) : unproved;
    case 'choice': {
      const costs = node.alternatives.map((alternative) => costOf(alternative, tail));
      const firsts = node.alternatives.map((alternative) => firstOf(alternative, tail.first));
      const apart = firsts.every((one, index) => firsts.slice(index + 1).every((other) => !overlap(one, other)));
      const ways = costs.reduce((so, cost) => (apart ? Math.max(so, cost.ways) : so + cost.ways), 0);
      return { ways, unbounded: costs.some(({ unbounded }) => unbounded) };
    }
    case 'sequence':
      return costOfSequence(node.items, tail);
    case 'repeat':
      return costOfRepeat(node, tail);
  }
}

function costOfSequence(items: readonly Node[], tail: Tail): Cost {
  let { first, unbounded } = tail;
  let ways = 1;
  let own = false;
  for (const item of items.toReversed()) {
    const cost = costOf(item, { first, unbounded });
    ways *= cost.ways;
    own ||= cost.unbounded;
    unbounded ||= cost.unbounded;
    first = firstOf(item, first);
    if (ways > mostWays) return unproved;
  }
  return { ways, unbounded: own };
}

function costOfRepeat({ body, least, most }: Node & { readonly kind: 'repeat' }, tail: Tail): Cost {
  const inner = withoutGroup(body);
  if (inner.kind === 'chars') {
    const shared = overlap(charsOf(inner.set, inner.fold), tail.first);
    if (most !== Infinity) return { ways: shared ? most - least + 1 : 1, unbounded: false };
    // `.*` followed by something of bounded length: each length that it can take costs a bounded amount.
    return shared && tail.unbounded ? unproved : { ways: 1, unbounded: true };
  }
  if (most === 1) {
    const cost = costOf(body, tail);
    return { ways: cost.ways + (least === 0 ? 1 : 0), unbounded: cost.unbounded };
  }
  if (most > mostCopies) return unproved;
  const all = costOfSequence(
    Array.from({ length: most }, () => body),
    tail,
  );
  const once = costOf(body, { first: union(firstOf(body, tail.first), tail.first), unbounded: all.unbounded || tail.unbounded });
  // Any number of rounds from `least` to `most`, each of them in any of its ways.
  const ways = Array.from({ length: most - least + 1 }, (_, more) => once.ways ** (least + more)).reduce((sum, one) => sum + one, 0);
  return { ways: Math.max(ways, all.ways), unbounded: all.unbounded };
}

function withoutGroup(node: Node): Node {
  return node.kind === 'group' || node.kind === 'atomic' ? withoutGroup(node.body) : node;
}

/** Characters with which a node and what follows it can begin. */
function firstOf(node: Node, follow: Chars): Chars {
  switch (node.kind) {
    case 'chars':
      return charsOf(node.set, node.fold);
    case 'edge':
    case 'look':
      return follow;
    case 'group':
    case 'atomic':
      return firstOf(node.body, follow);
    case 'reference':
    case 'conditional':
      return allChars;
    case 'choice':
      return node.alternatives.map((alternative) => firstOf(alternative, follow)).reduce(union);
    case 'sequence':
      return node.items.reduceRight((first, item) => firstOf(item, first), follow);
    case 'repeat': {
      const inner = firstOf(node.body, follow);
      return node.least === 0 ? union(inner, follow) : inner;
    }
  }
}

function charsOf(set: CharSet, fold: boolean): Chars {
  const others =
    set.negated || fold || set.parts.some((part) => (part.kind === 'class' ? part.negated || !part.ascii : part.to >= asciiSize));
  return [...asciiMembers(set, fold), others];
}

function overlap(one: Chars, other: Chars): boolean {
  return one.some((meant, index) => meant && other[index] === true);
}

function union(one: Chars, other: Chars): Chars {
  return one.map((meant, index) => meant || other[index] === true);
}

/** Whether every match begins at one of these edges. */
export function isAnchored(node: Node, edges: readonly Edge[] = ['start']): boolean {
  switch (node.kind) {
    case 'edge':
      return edges.includes(node.at);
    case 'group':
    case 'atomic':
      return isAnchored(node.body, edges);
    case 'sequence': {
      // What takes no characters may stand before it.
      const place = node.items.findIndex((item) => item.kind !== 'look' && !(item.kind === 'edge' && !edges.includes(item.at)));
      const item = node.items[place];
      return item !== undefined && isAnchored(item, edges);
    }
    case 'choice':
      return node.alternatives.every((alternative) => isAnchored(alternative, edges));
    case 'repeat':
      return node.least > 0 && isAnchored(node.body, edges);
    case 'look':
    case 'chars':
    case 'reference':
    case 'conditional':
      return false;
  }
}
