import { holeClasses, runSource } from './pattern-classes.ts';
import type { Part } from './pattern-syntax.ts';

/** Which characters can stand at one position: one flag for each ASCII character, the last one for all others. */
type CharSet = readonly boolean[];

const otherIndex = 128;
const anything: CharSet = Array.from({ length: otherIndex + 1 }, () => true);

/**
 * Whether the two texts differ within their first two characters, whatever their holes hold: then, where one fits, the other does not,
 * and a choice between them need not be sealed. False when in doubt.
 */
export function startsApart(parts: readonly Part[], others: readonly (Part | 'end')[]): boolean {
  if (others[0] === 'end') return !['optional', undefined].includes(parts[0]?.kind);
  const [first, second] = firstTwo(parts);
  const [otherFirst, otherSecond] = firstTwo(others);
  return apart(first, otherFirst) || apart(second, otherSecond);
}

function apart(a: CharSet, b: CharSet): boolean {
  return !a.some((held, index) => held && b[index] === true);
}

function firstTwo(parts: readonly (Part | 'end')[]): readonly [CharSet, CharSet] {
  const [part, ...rest] = parts;
  if (part === undefined || part === 'end' || part.kind === 'optional') return [anything, anything];
  if (part.kind === 'literal') {
    const first = setOf(part.text.slice(0, 1));
    return [first, part.text.length > 1 ? setOf(part.text.slice(1, 2)) : firstTwo(rest)[0]];
  }
  if (part.type.kind === 'words') {
    const { words } = part.type;
    return [
      setOf(words.map((word) => word.slice(0, 1)).join('')),
      words.every((word) => word.length > 1) ? setOf(words.map((word) => word.slice(1, 2)).join('')) : anything,
    ];
  }
  if (part.type.kind !== 'class') return [anything, anything];
  const shape = holeClasses[part.type.class];
  if (shape.kind === 'shape') return [setOf('245'), anything];
  const run = new RegExp(runSource(shape.set, undefined));
  return [anything.map((_, code) => code === otherIndex || run.test(String.fromCharCode(code))), anything];
}

function setOf(chars: string): CharSet {
  const codes = new Set(Array.from({ length: chars.length }, (_, index) => Math.min(chars.charCodeAt(index), otherIndex)));
  return anything.map((_, code) => codes.has(code));
}
