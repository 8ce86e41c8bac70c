import { foldedRange, foldedWith } from './regex-fold.ts';
import type { CharClass, CharRange, CharSet } from './regex-tree.ts';

/** Python's str.isspace(). */
const spaces: readonly (readonly [number, number])[] = [
  [0x09, 0x0d],
  [0x1c, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
];
const asciiSpaces: readonly (readonly [number, number])[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
];
const digits: readonly (readonly [number, number])[] = [[0x30, 0x39]];
const words: readonly (readonly [number, number])[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];

export const asciiSize = 128;

/** Which of the 128 ASCII characters a set holds. */
export function asciiMembers({ negated, parts }: CharSet, fold: boolean): readonly boolean[] {
  const members: boolean[] = Array(asciiSize).fill(false);
  for (const part of parts) {
    if (part.kind === 'range') {
      for (let code = part.from; code <= part.to && code < asciiSize; code++) members[code] = true;
      if (fold) for (const code of foldedBeside(part)) if (code < asciiSize) members[code] = true;
      continue;
    }
    const inClass = asciiClass(part);
    for (let code = 0; code < asciiSize; code++) if (inClass(code) !== part.negated) members[code] = true;
  }
  return negated ? members.map((member) => !member) : members;
}

function foldedBeside({ from, to }: CharRange): readonly number[] {
  return from === to ? foldedWith(from) : foldedRange(from, to);
}

function asciiClass({ name, ascii }: CharClass): (code: number) => boolean {
  const ranges = name === 'd' ? digits : name === 'w' ? words : ascii ? asciiSpaces : spaces;
  return (code) => ranges.some(([from, to]) => code >= from && code <= to);
}

/** Source of a JavaScript set that holds these of the ASCII characters, for text that is all ASCII. */
export function asciiSetSource(members: readonly boolean[]): string {
  const chosen = runsOf(members);
  if (chosen.length === 0) return '[]';
  const others = runsOf(members.map((member) => !member));
  if (others.length === 0) return '[^]';
  const [only] = chosen;
  if (chosen.length === 1 && only !== undefined && only[0] === only[1]) return charSource(only[0]);
  return chosen.length <= others.length ? `[${rangesSource(chosen)}]` : `[^${rangesSource(others)}]`;
}

/** Source of a JavaScript expression (flag u) for one character of the set. */
export function unicodeSetSource({ negated, parts }: CharSet, fold: boolean): string {
  let members = '';
  // \W has no form within a set: it becomes an alternative.
  const beside: string[] = [];
  for (const part of parts) {
    if (part.kind === 'range') {
      members += rangesSource([[part.from, part.to]]);
      if (fold) for (const code of foldedBeside(part)) members += charSource(code);
    } else if (part.name === 'w' && part.negated) beside.push(part.ascii ? '[^0-9A-Z_a-z]' : '[^\\p{L}\\p{N}_]');
    else members += classSource(part);
  }
  if (beside.length === 0) return members === '' ? (negated ? '[^]' : '[]') : `[${negated ? '^' : ''}${members}]`;
  const any = [...(members === '' ? [] : [`[${members}]`]), ...beside].join('|');
  return negated ? `(?:(?!${any})[^])` : `(?:${any})`;
}

function classSource({ name, negated, ascii }: CharClass): string {
  if (name === 'd') return ascii ? (negated ? '\\D' : '\\d') : negated ? '\\P{Nd}' : '\\p{Nd}';
  if (name === 'w') return ascii ? '0-9A-Z_a-z' : '\\p{L}\\p{N}_';
  const ranges = ascii ? asciiSpaces : spaces;
  return rangesSource(negated ? complement(ranges) : ranges);
}

function complement(ranges: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const out: (readonly [number, number])[] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    if (from > next) out.push([next, from - 1]);
    next = to + 1;
  }
  out.push([next, 0x10ffff]);
  return out;
}

function runsOf(members: readonly boolean[]): readonly (readonly [number, number])[] {
  const runs: (readonly [number, number])[] = [];
  let start = -1;
  for (let code = 0; code <= members.length; code++) {
    if (members[code] === true) {
      if (start < 0) start = code;
    } else if (start >= 0) {
      runs.push([start, code - 1]);
      start = -1;
    }
  }
  return runs;
}

function rangesSource(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => (from === to ? charSource(from) : `${charSource(from)}-${charSource(to)}`)).join('');
}

/** A character as it can stand in and outside of a set, with the flag u and without. */
export function charSource(code: number): string {
  if (/[0-9A-Za-z _,:;<>@!"#%&'`~=]/.test(String.fromCodePoint(code))) return String.fromCodePoint(code);
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x1_0000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}
