import { RegexMistake } from './regex-tree.ts';
import type { CharClass, CharRange, CharSet } from './regex-tree.ts';

const simple: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/**
 * Reads one escape that stands for a character or a class.
 *
 * @param at of the backslash
 * @throws {RegexMistake} for an escape that Python refuses, or one that has no exact translation
 */
export function parseEscape(
  text: string,
  at: number,
  ascii: boolean,
  where: 'inside' | 'outside',
): { readonly part: CharClass | CharRange; readonly end: number } {
  const rest = text.slice(at, at + 10);
  const letter = rest.charAt(1);
  const name = letter.toLowerCase();
  if (name === 'd' || name === 'w' || name === 's') return { part: { kind: 'class', name, negated: name !== letter, ascii }, end: at + 2 };
  const [hex, digits = ''] =
    /^\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(rest)?.filter((found) => found !== undefined) ?? [];
  if (hex !== undefined) return charAt(text, at, Number.parseInt(digits, 16), hex.length);
  // A set has no groups to refer to, so one digit will do there.
  const [octal, number = ''] = (where === 'inside' ? /^\\([0-7]{1,3})/ : /^\\(0[0-7]{0,2}|[1-3][0-7]{2})/).exec(rest) ?? [];
  if (octal !== undefined && Number.parseInt(number, 8) > 0xff)
    throw new RegexMistake(at, at + octal.length, `"${octal}" is more than \\377`);
  if (octal !== undefined) return charAt(text, at, Number.parseInt(number, 8), octal.length);
  if (where === 'inside' && letter === 'b') return charAt(text, at, 8, 2);
  const code = simple[letter];
  if (code !== undefined) return charAt(text, at, code, 2);
  if (letter === '') throw new RegexMistake(at, at + 1, 'a backslash stands at the end', 'write \\\\ for the character itself');
  if (letter === 'N')
    throw new RegexMistake(at, at + 2, 'names of characters are not looked up', 'write \\u and the four digits of the character');
  if (/[0-9A-Za-z]/.test(letter)) throw new RegexMistake(at, at + 2, `"\\${letter}" is no escape that Python's expressions have`);
  const char = text.codePointAt(at + 1) ?? 0;
  return charAt(text, at, char, char > 0xffff ? 3 : 2);
}

function charAt(text: string, at: number, code: number, length: number): { readonly part: CharRange; readonly end: number } {
  if (code > 0x10ffff) throw new RegexMistake(at, at + length, `"${text.slice(at, at + length)}" is no character`);
  return { part: { kind: 'range', from: code, to: code }, end: at + length };
}

/**
 * Reads `[...]`. A `]` right behind `[` or `[^` is a character, and so is a `-` at either end.
 *
 * @param at of the `[`
 */
export function parseSet(text: string, at: number, ascii: boolean): { readonly set: CharSet; readonly end: number } {
  let place = at + 1;
  const negated = text[place] === '^';
  if (negated) place++;
  const first = place;
  const parts: (CharClass | CharRange)[] = [];
  const one = (): CharClass | CharRange => {
    if (place >= text.length) throw new RegexMistake(at, at + 1, 'this set is never closed', 'write \\[ for the character itself');
    if (text[place] === '\\') {
      const { part, end } = parseEscape(text, place, ascii, 'inside');
      place = end;
      return part;
    }
    const code = text.codePointAt(place) ?? 0;
    place += code > 0xffff ? 2 : 1;
    return { kind: 'range', from: code, to: code };
  };
  while (text[place] !== ']' || place === first) {
    const start = place;
    const from = one();
    if (text[place] !== '-' || text[place + 1] === ']' || place + 1 >= text.length) {
      parts.push(from);
      continue;
    }
    place++;
    const to = one();
    if (from.kind === 'class' || to.kind === 'class' || to.from < from.from)
      throw new RegexMistake(start, place, `"${text.slice(start, place)}" is no range of characters`, 'write \\- for the character itself');
    parts.push({ kind: 'range', from: from.from, to: to.from });
  }
  return { set: { negated, parts }, end: place + 1 };
}
