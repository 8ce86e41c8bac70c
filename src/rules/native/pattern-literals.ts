import { holeClasses, literalSource, runSource } from './pattern-classes.ts';
import { isAddress, isAnything } from './pattern-proof.ts';
import type { Part } from './pattern-syntax.ts';

/** A literal this long is rare enough in a log: no list of words is searched for instead. */
const rareLength = 8;
const mostLiterals = 32;

/**
 * Texts of which every message that fits holds at least one: the longest literal that no message can lack, or the words of a hole.
 *
 * @param cut a message may end behind the address, so only what stands before is sure to be there
 */
export function requiredLiterals(parts: readonly Part[], cut: boolean): readonly string[] {
  const addressed = parts.findIndex(isAddress);
  const open = parts.findIndex((part, index) => index > addressed && isAnything(part));
  const sure = cut && addressed !== -1 && open !== -1 ? parts.slice(0, open) : parts;
  let best: readonly string[] = [];
  for (const [index, part] of sure.entries()) {
    const candidate = candidateAt(sure, index, part);
    if (candidate.length > 0 && (narrows(candidate, best) || (worth(candidate) > worth(best) && !narrows(best, candidate))))
      best = candidate;
  }
  return best;
}

const shortestTelling = 4;

/**
 * Literals that every whole message has which fits: the longest one, and the last one, which tells patterns with the same beginning apart. To
 * look for them is much cheaper than to try the expression.
 */
export function tellingLiterals(parts: readonly Part[]): readonly string[] {
  const literals = parts.flatMap((part) => (part.kind === 'literal' && part.text.length >= shortestTelling ? [part.text] : []));
  const longest = literals.toSorted((a, b) => b.length - a.length)[0];
  const last = literals.at(-1);
  return [...new Set([last, longest])].filter((literal) => literal !== undefined);
}

function candidateAt(parts: readonly Part[], index: number, part: Part): readonly string[] {
  if (part.kind === 'literal') return [part.text];
  if (part.kind !== 'hole' || part.type.kind !== 'words' || part.type.words.length > mostLiterals) return [];
  const before = parts[index - 1];
  const behind = parts[index + 1];
  const left = before?.kind === 'literal' ? before.text : '';
  const right = behind?.kind === 'literal' ? behind.text : '';
  return part.type.words.map((word) => `${left}${word}${right}`);
}

/** Every one of the texts holds one of the others: a message that has it has one of those as well. */
function narrows(texts: readonly string[], others: readonly string[]): boolean {
  return texts.length > 0 && others.length > 0 && texts.every((text) => others.some((other) => text.includes(other)));
}

/** The shortest of the texts decides; a single one is cheaper to look for than several. */
function worth(texts: readonly string[]): number {
  const shortest = Math.min(...texts.map((text) => text.length));
  if (texts.length === 0) return 0;
  return texts.length === 1 ? shortest + (shortest >= rareLength ? 100 : 0) : shortest;
}

/** Fixed characters after which a beginning is told apart from most others; longer ones would only make the alternation longer. */
const longestHead = 8;

/**
 * The beginning of the pattern as an expression: every message that fits begins with it. Many of these joined into one alternation turn
 * away a message at the cost of one.
 *
 * @returns undefined if the pattern begins with any text
 */
export function headSource(parts: readonly Part[]): string | undefined {
  let source = '';
  let fixed = 0;
  for (const [index, part] of parts.entries()) {
    if (fixed >= longestHead || isAnything(part) || isAddress(part)) break;
    const next = parts[index + 1];
    const piece = headPiece(part, next?.kind === 'literal' ? next.text[0] : undefined);
    // A run with something else than a literal behind it could be given back bit by bit: the head ends before it.
    if (piece === undefined) break;
    source += piece;
    if (part.kind === 'literal') fixed += part.text.length;
  }
  return source === '' ? undefined : source;
}

function headPiece(part: Part, next: string | undefined): string | undefined {
  if (part.kind === 'literal') return literalSource(part.text);
  if (part.kind === 'optional') {
    const pieces = part.parts.map((inner, index) => {
      const behind = part.parts[index + 1];
      return inner.kind === 'optional' ? undefined : headPiece(inner, behind?.kind === 'literal' ? behind.text[0] : undefined);
    });
    return pieces.includes(undefined) ? undefined : `(?:${pieces.join('')})?`;
  }
  if (part.type.kind === 'words') return `(?:${part.type.words.map(literalSource).join('|')})`;
  if (part.type.kind !== 'class' || next === undefined) return undefined;
  const shape = holeClasses[part.type.class];
  if (shape.kind === 'shape') return shape.source;
  return part.type.class === 'addr' || part.type.class === 'ip' ? undefined : `(?:${runSource(shape.set, next)}){1,${shape.most}}`;
}
