import type { RequiredLiteral } from '../../model/foreign-filter.ts';
import { foldedWith } from './regex-fold.ts';
import type { Node } from './regex-tree.ts';

/** Most literals of which one must occur, and most ways in which a part can be spelled. */
const mostLiterals = 64;
const mostSpellings = 16;
const shortest = 3;

/** What is known of the texts that a node matches. */
interface Known {
  /** All of them, if they are few. */
  readonly exact: readonly RequiredLiteral[] | undefined;
  /** Each of them holds one of these; or what stands beside them does, if `exact` is known too: a lookaround asked for it. */
  readonly required: readonly RequiredLiteral[] | undefined;
}

const unknown: Known = { exact: undefined, required: undefined };
const nothing: Known = { exact: [{ text: '', fold: false }], required: undefined };

/** Literals of which every text that matches holds at least one; none if that cannot be said, or says too little. */
export function requiredLiterals(root: Node): readonly RequiredLiteral[] {
  const { exact, required } = knownOf(root);
  return better(useful(exact), required) ?? [];
}

function knownOf(node: Node): Known {
  switch (node.kind) {
    case 'chars': {
      const [part] = node.set.parts;
      if (node.set.negated || node.set.parts.length !== 1 || part?.kind !== 'range' || part.to - part.from >= mostSpellings) return unknown;
      const exact = Array.from({ length: part.to - part.from + 1 }, (_, index) => literalOf(part.from + index, node.fold));
      return { exact, required: undefined };
    }
    case 'edge':
      return nothing;
    case 'look': {
      if (node.negated) return nothing;
      const { exact, required } = knownOf(node.body);
      return { exact: nothing.exact, required: better(useful(exact), required) };
    }
    case 'group':
    case 'atomic':
      return knownOf(node.body);
    case 'reference':
      return unknown;
    case 'conditional':
      return anyOf([knownOf(node.yes), knownOf(node.no)]);
    case 'choice':
      return anyOf(node.alternatives.map(knownOf));
    case 'repeat': {
      if (node.least === 0) return node.most === 1 ? { exact: anyOf([knownOf(node.body), nothing]).exact, required: undefined } : unknown;
      const { exact, required } = knownOf(node.body);
      return node.least === 1 && node.most === 1 ? { exact, required } : { exact: undefined, required: better(useful(exact), required) };
    }
    case 'sequence':
      return inSequence(node.items.map(knownOf));
  }
}

function literalOf(code: number, fold: boolean): RequiredLiteral {
  const text = String.fromCodePoint(code);
  return fold && foldedWith(code).length > 1 ? { text: text.toLowerCase(), fold: true } : { text, fold: false };
}

function inSequence(parts: readonly Known[]): Known {
  let run: readonly RequiredLiteral[] | undefined = [{ text: '', fold: false }];
  let whole = true;
  let required: readonly RequiredLiteral[] | undefined;
  let beside: readonly RequiredLiteral[] | undefined;
  for (const part of parts) {
    if (part.exact !== undefined) beside = better(beside, part.required);
    const joined: readonly RequiredLiteral[] | undefined =
      run === undefined || part.exact === undefined ? undefined : product(run, part.exact);
    if (joined !== undefined) {
      run = joined;
      continue;
    }
    whole = false;
    required = better(required, useful(run));
    required = better(required, part.required);
    run = part.exact ?? [{ text: '', fold: false }];
  }
  // A lookaround is there to narrow what stands at it: what it asks for is the rarer text.
  if (beside !== undefined) return { exact: undefined, required: beside };
  if (whole) return { exact: run, required: undefined };
  return { exact: undefined, required: better(required, useful(run)) };
}

function product(one: readonly RequiredLiteral[], other: readonly RequiredLiteral[]): readonly RequiredLiteral[] | undefined {
  if (one.length * other.length > mostSpellings) return undefined;
  return one.flatMap((a) => other.map((b) => joinOf(a, b)));
}

function joinOf(a: RequiredLiteral, b: RequiredLiteral): RequiredLiteral {
  const fold = a.fold || b.fold;
  return { text: fold ? (a.text + b.text).toLowerCase() : a.text + b.text, fold };
}

function anyOf(parts: readonly Known[]): Known {
  const exact = parts.every((part) => part.exact !== undefined) ? parts.flatMap((part) => part.exact ?? []) : undefined;
  if (exact !== undefined && exact.length <= mostSpellings) return { exact, required: undefined };
  const each = parts.map((part) => better(useful(part.exact), part.required));
  if (each.some((literals) => literals === undefined)) return unknown;
  const required = each.flatMap((literals) => literals ?? []);
  return { exact: undefined, required: required.length <= mostLiterals ? required : undefined };
}

function useful(literals: readonly RequiredLiteral[] | undefined): readonly RequiredLiteral[] | undefined {
  return literals !== undefined && literals.length > 0 && literals.every(({ text }) => text.length >= shortest) ? literals : undefined;
}

/** The one that turns away more: the longer, and if in doubt the fewer. */
function better(
  one: readonly RequiredLiteral[] | undefined,
  other: readonly RequiredLiteral[] | undefined,
): readonly RequiredLiteral[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return worth(other) > worth(one) ? other : one;
}

function worth(literals: readonly RequiredLiteral[]): number {
  const least = Math.min(...literals.map(({ text }) => text.length));
  return Math.min(least, 12) - Math.log2(literals.length);
}
