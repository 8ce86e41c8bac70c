/**
 * Characters that Python's flag i takes for each other: they have the same capital, one character to one.
 *
 * V8's own flag i is not used: it folds otherwise (by Unicode's case folding, or by capitals of ASCII alone), and inside `(?i:..)` it has
 * missed matches after its code space had grown.
 */
export function foldedWith(code: number): readonly number[] {
  if (code < 0x80) return asciiFolds[code] ?? [code];
  return table().get(capital(code)) ?? [code];
}

/** All folded forms of the characters in the range that lie outside of it. */
export function foldedRange(from: number, to: number): readonly number[] {
  const outside = new Set<number>();
  for (const same of to < 0x80 ? asciiFolds : table().values()) {
    if (same.length === 1 || !same.some((code) => code >= from && code <= to)) continue;
    for (const code of same) if (code < from || code > to) outside.add(code);
  }
  return [...outside];
}

/** Whether letter case exists for anything in the range. */
export function isCased(from: number, to: number): boolean {
  for (const same of to < 0x80 ? asciiFolds : table().values())
    if (same.length > 1 && same.some((code) => code >= from && code <= to)) return true;
  return false;
}

/** What the table says of ASCII, which is all that most filters ask: to make the table takes longer than to read many a log. */
const asciiFolds: readonly (readonly number[])[] = Array.from({ length: 0x80 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (!/[A-Za-z]/.test(char)) return [code];
  const capitalCode = code & ~0x20;
  // Dotted I and dotless i; the Kelvin sign; the long s.
  const others: Record<string, readonly number[]> = { I: [0x130, 0x131], K: [0x212a], S: [0x17f] };
  return [capitalCode, capitalCode | 0x20, ...(others[String.fromCharCode(capitalCode)] ?? [])];
});

/** Scripts with letter case end before this. */
const lastCased = 0x1e943;

let classes: ReadonlyMap<number, readonly number[]> | undefined;

function table(): ReadonlyMap<number, readonly number[]> {
  classes ??= buildTable();
  return classes;
}

function buildTable(): ReadonlyMap<number, readonly number[]> {
  const built = new Map<number, number[]>();
  for (let code = 0x41; code <= lastCased; code++) {
    if (code === 0x3400) code = 0xa640; // ideographs have no case
    if (code === 0xac00) code = 0xff21;
    const of = capital(code);
    const same = built.get(of);
    if (same === undefined) built.set(of, [code]);
    else same.push(code);
  }
  for (const [of, same] of built) if (same.length === 1) built.delete(of);
  return built;
}

function capital(code: number): number {
  // Through the small letter first: the Kelvin sign and K have one small letter.
  return simple(simple(code, 'lower'), 'upper');
}

/** A mapping to several characters is none: Python's expressions compare one character with one. */
function simple(code: number, to: 'lower' | 'upper'): number {
  const char = String.fromCodePoint(code);
  const mapped = to === 'lower' ? char.toLowerCase() : char.toUpperCase();
  const first = mapped.codePointAt(0) ?? code;
  if (mapped.length === (first > 0xffff ? 2 : 1)) return first;
  // The Turkish capital I with a dot: its small letter is i and a combining dot, in Python's table i alone.
  return code === 0x130 ? 0x69 : code;
}
