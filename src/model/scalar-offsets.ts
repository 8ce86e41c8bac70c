/**
 * Where each character of a YAML scalar's value stands in the file: quotes, escapes, indentation and folded lines lie between.
 *
 * Walks both texts side by side, so that one function serves plain, quoted and block scalars. Where they cannot be brought together, the
 * remaining characters point at the place where that happened.
 *
 * @param source the scalar as it is written, from its first character (quote, `|` or `>` included)
 * @returns one offset into `source` for each UTF-16 code unit of the value, and a last one for its end
 */
export function scalarOffsets(source: string, value: string, style: ScalarStyle): readonly number[] {
  const offsets: number[] = [];
  let at = style === 'plain' ? 0 : style === 'block' ? source.indexOf('\n') + 1 : 1;
  for (let index = 0; index < value.length; index++) {
    const char = value.charAt(index);
    const escape =
      style === 'double' ? escapeAt(source, at, char) : style === 'single' && char === "'" && source.startsWith("''", at) ? 2 : 0;
    if (escape > 0) {
      offsets.push(at);
      at += escape;
      continue;
    }
    if (source[at] !== char) at = skipLayout(source, at, char);
    offsets.push(Math.min(at, source.length));
    if (source[at] === char) at++;
  }
  offsets.push(Math.min(at, source.length));
  return offsets;
}

export type ScalarStyle = 'plain' | 'single' | 'double' | 'block';

/** Length of the escape that stands for the character, YAML 1.2 section 5.7; 0: it is no escape. */
function escapeAt(source: string, at: number, char: string): number {
  if (source[at] !== '\\') return 0;
  const kind = source[at + 1] ?? '';
  const digits = { x: 2, u: 4, U: 8 }[kind] ?? 0;
  // A pair of surrogates comes from one \U: its second half has nothing of its own in the file.
  if (digits === 8 && /[\ud800-\udbff]/.test(char)) return 0;
  return 2 + digits;
}

/** From a line's end to where the value goes on: indentation, and for a folded line the break itself. */
function skipLayout(source: string, at: number, char: string): number {
  let next = at;
  while (next < source.length && /[ \t\r\n]/.test(source.charAt(next))) {
    if (source[next] === char && char !== ' ') return next;
    next++;
  }
  // A folded line break is a space of the value: what follows it is the next character's business.
  if (char === ' ' && next > at) return next - 1;
  return source[next] === char ? next : at;
}
