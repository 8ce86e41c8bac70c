import { parseAddress } from '../../../src/model/address.ts';
import type { PatternMatch } from '../../../src/model/filter.ts';
import type { Proof } from '../../../src/rules/native/pattern-proof.ts';
import type { ClassName } from '../../../src/rules/native/pattern-classes.ts';
import type { Hole, Part, PatternSyntax } from '../../../src/rules/native/pattern-syntax.ts';

/**
 * The pattern language as docs/patterns.md defines it, written as plainly as possible and one character at a time: what the compiled
 * expressions are compared with. Slow, and that is its merit.
 *
 * @param cutBytes `cut:` of the file
 */
export function referenceMatch(
  { parts, ended }: PatternSyntax,
  proof: Proof,
  text: string,
  cutBytes: number | undefined,
): PatternMatch | undefined {
  const bytes = Buffer.byteLength(text);
  if (proof === 'right' && bytes >= Math.min(800, cutBytes ?? 800)) return undefined;
  const captures = new Map<string, string>();
  const addressAt = parts.findIndex(isAddress);
  let at = 0;
  let index = 0;
  while (index <= parts.length) {
    // One round: a hole of any text, unless the pattern begins with a fixed part; then the fixed part up to the next such hole.
    const hole = anything(parts[index]) ? parts[index] : undefined;
    const start = hole === undefined ? index : index + 1;
    const next = parts.findIndex((part, place) => place >= start && anything(part) !== undefined);
    const stop = next === -1 ? parts.length : next;
    const fixed = parts.slice(start, stop);
    const atEnd = stop === parts.length && ended;
    if (hole !== undefined && fixed.length === 0) {
      keep(captures, hole, text.slice(at));
      at = text.length;
    } else {
      const fromRight = proof === 'right' && fixed.some(isAddress);
      const places = hole === undefined ? [at] : range(at, text.length);
      if (fromRight) places.reverse();
      const found = places.map((place) => ({ place, fit: fitHere(fixed, text, place, atEnd) })).find(({ fit }) => fit !== undefined);
      if (found?.fit === undefined) {
        const cut = cutBytes !== undefined && bytes >= cutBytes && addressAt !== -1 && index > addressAt && anything(hole) === 'text';
        if (!cut) return undefined;
        keep(captures, hole, text.slice(at));
        break;
      }
      if (fromRight && stop < parts.length) {
        const marker = fixed.slice(0, fixed.findIndex(isAddress)).findLast((part) => part.kind === 'literal');
        if (marker?.kind === 'literal' && text.slice(found.fit.at).includes(marker.text)) return undefined;
      }
      keep(captures, hole, text.slice(at, found.place));
      for (const [name, value] of found.fit.captures) captures.set(name, value);
      at = found.fit.at;
    }
    if (stop === parts.length) break;
    index = stop;
  }
  const address = captures.get('\0address');
  captures.delete('\0address');
  return { address, captures };
}

interface FitHere {
  readonly at: number;
  readonly captures: ReadonlyMap<string, string>;
}

function fitHere(parts: readonly Part[], text: string, from: number, ended: boolean): FitHere | undefined {
  const captures = new Map<string, string>();
  const at = take(parts, [], text, from, captures);
  if (at === undefined || (ended && at !== text.length)) return undefined;
  const address = captures.get('\0address');
  return address !== undefined && parseAddress(address) === undefined ? undefined : { at, captures };
}

/** @returns where the parts end, if they fit */
function take(
  parts: readonly Part[],
  behind: readonly Part[],
  text: string,
  from: number,
  captures: Map<string, string>,
): number | undefined {
  let at = from;
  for (const [index, part] of parts.entries()) {
    const next = [...parts.slice(index + 1), ...behind];
    if (part.kind === 'literal') {
      if (!text.startsWith(part.text, at)) return undefined;
      at += part.text.length;
    } else if (part.kind === 'optional') {
      const inner = new Map<string, string>();
      const end = take(part.parts, next, text, at, inner);
      if (end === undefined) continue;
      for (const [name, value] of inner) captures.set(name, value);
      at = end;
    } else {
      const end = holeEnd(part, next[0], text, at);
      if (end === undefined) return undefined;
      keep(captures, part, text.slice(at, end));
      at = end;
    }
  }
  return at;
}

const members: Readonly<Record<Exclude<ClassName, 'code' | 'dsn'>, RegExp>> = {
  addr: /[0-9A-Fa-f:.]/,
  ip: /[0-9A-Fa-f:.]/,
  host: /[^ \t\n\v\f\r[\]]/,
  int: /[0-9]/,
  port: /[0-9]/,
  num: /[0-9.]/,
  word: /[^ \t\n\v\f\r]/,
  qid: /[0-9A-Za-z]/,
};

function holeEnd({ type }: Hole, next: Part | undefined, text: string, at: number): number | undefined {
  if (type.kind === 'text' || type.kind === 'own') return text.length;
  if (type.kind === 'words') {
    const fitting = type.words.filter((word) => text.startsWith(word, at)).map((word) => word.length);
    return fitting.length === 0 ? undefined : at + Math.max(...fitting);
  }
  const of = type.class;
  const literal = next?.kind === 'literal' ? next.text : undefined;
  if (of === 'code') return /^[245]\d\d$/.test(text.slice(at, at + 3)) ? at + 3 : undefined;
  if (of === 'dsn') {
    const [found] = /^[245]\.\d{1,3}\.\d{1,3}/.exec(text.slice(at)) ?? [];
    return found === undefined ? undefined : at + found.length;
  }
  const isAddr = of === 'addr' || of === 'ip';
  const colonText = isAddr && literal !== undefined && /^[:.]/.test(literal) && literal.length > 1 && !members.addr.test(literal.charAt(1));
  const most = of === 'port' ? 5 : 255;
  const without = colonText ? undefined : literal?.[0];
  let end = at;
  while (end < text.length && end - at < most && members[of].test(text.charAt(end)) && text[end] !== without) end++;
  // Back to the last place within the run where the text behind the address stands.
  if (colonText) end = range(at, end).findLast((place) => text.startsWith(literal, place)) ?? at;
  if (isAddr && literal === undefined && /[0-9A-Za-z_%.:-]/.test(text.charAt(end))) return undefined;
  return end === at ? undefined : end;
}

function keep(captures: Map<string, string>, hole: Part | undefined, value: string): void {
  if (hole?.kind !== 'hole') return;
  if (isAddress(hole)) captures.set('\0address', value);
  else if (hole.name !== undefined) captures.set(hole.name, value);
}

function anything(part: Part | undefined): 'text' | 'own' | undefined {
  return part?.kind === 'hole' && (part.type.kind === 'text' || part.type.kind === 'own') ? part.type.kind : undefined;
}

function isAddress(part: Part | undefined): boolean {
  return part?.kind === 'hole' && part.type.kind === 'class' && part.type.class === 'addr';
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
