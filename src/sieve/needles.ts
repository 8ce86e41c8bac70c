import type { Filter, Pattern } from '../model/filter.ts';
import type { RequiredLiteral } from '../model/foreign-filter.ts';

/** A text as it stands in the bytes of a log. */
export interface Needle {
  /** UTF-8, without LF and NUL; with `fold` in lower case. */
  readonly bytes: Buffer;
  /** ASCII letters in any case. */
  readonly fold: boolean;
}

/** Shorter ones are everywhere, and have no room for a window. */
export const shortestNeedle = 3;

/** More than this, and their bytes, would not fit into the kernel's memory; fewer is faster in any case. */
const mostNeedles = 256;
const longestNeedle = 64;

/**
 * The texts of which each line holds at least one that any of the filters could want: their patterns, exceptions, what they remember, and what
 * tells of success.
 *
 * @returns undefined if there is a pattern of which nothing can be required: then every line may matter
 */
export function needlesOf(filters: readonly Filter[]): readonly Needle[] | undefined {
  return needlesFor(filters.flatMap(patternsOf).map(({ literals }) => literals.map((text) => ({ text, fold: false }))));
}

function patternsOf({ patterns, except, remember, success = [] }: Filter): readonly Pattern[] {
  return [...patterns, ...except, ...remember.map(({ pattern }) => pattern), ...success];
}

/** @param groups for each pattern the literals of which every match holds one */
export function needlesFor(groups: readonly (readonly RequiredLiteral[])[]): readonly Needle[] | undefined {
  const needles = new Map<string, Needle>();
  for (const group of groups) {
    if (group.length === 0) return undefined;
    for (const literal of group) {
      const needle = needleOf(literal);
      if (needle === undefined) return undefined;
      needles.set(`${needle.fold} ${needle.bytes.toString('latin1')}`, needle);
    }
  }
  const all = [...needles.values()];
  // What holds another needle is found with that one.
  const least = all.filter((needle) => !all.some((other) => other !== needle && holds(needle, other)));
  return least.length > mostNeedles ? undefined : least;
}

/**
 * The longest piece of the literal that stands in the log byte for byte wherever the literal stands in the text. U+FFFD is what bytes become
 * that are no UTF-8; a surrogate alone has no bytes; LF and NUL end lines and frames. In any letter case: ASCII without k and s, for which
 * U+212A and U+017F may stand, and i, which has a fold of its own in Turkish.
 */
function needleOf({ text, fold }: RequiredLiteral): Needle | undefined {
  const lowered = fold ? text.toLowerCase() : text;
  const pieces = lowered.split(fold ? /[^\u0001-\u0009\u000b-\u007f]|[iks]/u : /[\n\0\ufffd\p{Surrogate}]/u);
  const longest = pieces.reduce((best, piece) => (piece.length > best.length ? piece : best), '');
  const bytes = Buffer.from(longest).subarray(0, longestNeedle);
  return bytes.length < shortestNeedle ? undefined : { bytes, fold };
}

/** Equal ones were joined before. */
function holds(outer: Needle, inner: Needle): boolean {
  if (outer.fold && !inner.fold) return false;
  const bytes = inner.fold && !outer.fold ? Buffer.from(lowerAscii(outer.bytes)) : outer.bytes;
  return bytes.includes(inner.bytes) && (bytes.length > inner.bytes.length || inner.fold);
}

function lowerAscii(bytes: Buffer): Uint8Array {
  return bytes.map((byte) => (isUpper(byte) ? byte | 0x20 : byte));
}

function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
