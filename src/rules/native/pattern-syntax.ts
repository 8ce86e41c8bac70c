import { nearestName } from '../../model/spelling.ts';
import { isClassName, typeNames } from './pattern-classes.ts';
import type { ClassName } from './pattern-classes.ts';

/** Where something stands in the pattern's text, in UTF-16 code units from 0. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type HoleType =
  | { readonly kind: 'class'; readonly class: ClassName }
  /** Longest first. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Anything, perhaps the client's own words. */
  | { readonly kind: 'text' }
  /** Anything that the daemon says itself: the author of the rule vouches for it. */
  | { readonly kind: 'own' };

export interface Hole extends Span {
  readonly kind: 'hole';
  /** What its text is captured as; undefined for the inner holes of `{client}`. */
  readonly name: string | undefined;
  readonly type: HoleType;
}

export interface Literal extends Span {
  readonly kind: 'literal';
  readonly text: string;
}

export interface Optional extends Span {
  readonly kind: 'optional';
  readonly parts: readonly Part[];
}

export type Part = Literal | Hole | Optional;

/** A mistake in a pattern. */
export interface PatternMistake extends Span {
  readonly message: string;
  readonly help: string | undefined;
}

/** A pattern's text taken apart. */
export interface PatternSyntax {
  readonly text: string;
  readonly parts: readonly Part[];
  /** Whether it closes with `$`: the message must end there. */
  readonly ended: boolean;
}

/** Longer patterns are refused: nobody writes them by hand, and each part costs. */
const longestPattern = 2_000;
const deepestOptional = 8;

/**
 * Takes a pattern apart: literal text, `{holes}`, `{?optional parts}`, and the final `$`.
 *
 * @returns all mistakes at once; parts that could be read are there even then.
 * @see docs/patterns.md
 */
export function parsePattern(text: string): { readonly syntax: PatternSyntax; readonly mistakes: readonly PatternMistake[] } {
  if (text.length > longestPattern) {
    const message = `the pattern has ${text.length} characters; at most ${longestPattern} are read`;
    return { syntax: { text, parts: [], ended: false }, mistakes: [{ start: 0, end: text.length, message, help: undefined }] };
  }
  const reader = new Reader(text);
  const parts = reader.readParts(0);
  if (parts.length === 0 && reader.mistakes.length === 0) reader.mistake(0, text.length, 'the pattern is empty: every message would fit');
  return { syntax: { text, parts, ended: reader.ended }, mistakes: reader.mistakes };
}

/** One walk over the text, left to right. */
class Reader {
  readonly mistakes: PatternMistake[] = [];
  readonly ended: boolean;
  private readonly text: string;
  /** Where the body ends: before a final `$`, and before the first `$` of a final `$$`. */
  private readonly end: number;
  private readonly names = new Set<string>();
  private at = 0;

  constructor(text: string) {
    this.text = text;
    // Of the dollars that close the pattern, each pair is one dollar; one that is left over means "the message ends here".
    const dollars = text.length - text.replace(/\$+$/, '').length;
    this.ended = dollars % 2 === 1;
    this.end = text.length - dollars;
  }

  readParts(depth: number): Part[] {
    const parts: Part[] = [];
    let literal = '';
    let literalStart = this.at;
    const flush = (): void => {
      if (literal !== '') parts.push({ kind: 'literal', text: literal, start: literalStart, end: this.at });
      literal = '';
    };
    const add = (char: string, length: number): void => {
      if (literal === '') literalStart = this.at;
      literal += char;
      this.at += length;
    };
    while (this.at < this.end) {
      const rest = this.text.slice(this.at, this.at + 2);
      if (rest === '{{') add('{', 2);
      else if (rest === '{?') {
        flush();
        parts.push(...this.readOptional(depth));
      } else if (rest.startsWith('{')) {
        flush();
        parts.push(...this.readHole());
      } else if (rest.startsWith('}')) {
        if (depth > 0) break;
        if (rest !== '}}') this.mistake(this.at, this.at + 1, 'a "}" that closes nothing', 'write "}}" for a brace of the message');
        add('}', rest === '}}' ? 2 : 1);
      } else add(rest.charAt(0), 1);
    }
    if (depth === 0 && this.end < this.text.length) {
      const dollars = Math.floor((this.text.length - this.end) / 2);
      if (dollars > 0) add('$'.repeat(dollars), dollars * 2);
    }
    flush();
    return parts;
  }

  private readOptional(depth: number): Part[] {
    const start = this.at;
    this.at += 2;
    const parts = depth < deepestOptional ? this.readParts(depth + 1) : [];
    if (this.text[this.at] !== '}' || this.at >= this.end) {
      if (depth >= deepestOptional)
        this.mistake(start, this.end, `optional parts stand within each other more than ${deepestOptional} deep`);
      else this.mistake(start, this.end, 'this optional part is never closed', 'close it with "}"; write "{{" for a brace of the message');
      this.at = this.end;
      return [];
    }
    this.at++;
    if (parts.length === 0) this.mistake(start, this.at, 'an optional part with nothing in it');
    return [{ kind: 'optional', parts, start, end: this.at }];
  }

  private readHole(): Part[] {
    const start = this.at;
    const close = this.text.indexOf('}', start);
    if (close === -1 || close >= this.end) {
      this.mistake(start, this.end, 'this hole is never closed', 'close it with "}"; write "{{" for a brace of the message');
      this.at = this.end;
      return [];
    }
    const body = this.text.slice(start + 1, close);
    const colon = body.indexOf(':');
    const name = colon === -1 ? body : body.slice(0, colon);
    this.at = close + 1;
    if (!/^[a-z0-9_]+$/.test(name)) {
      const message = name === '' ? 'a hole without a name' : `"${name}" is not the name of a hole: names have a-z, 0-9 and _`;
      this.mistake(start, this.at, message, 'write "{{" for a brace of the message');
      return [];
    }
    if (this.names.has(name))
      this.mistake(start, this.at, `{${name}} stands twice in this pattern`, `give the second one another name: {${name}2:TYPE}`);
    this.names.add(name);
    const type = colon === -1 ? name : body.slice(colon + 1);
    return this.holes(name, type, colon === -1, { start, end: this.at });
  }

  private holes(name: string, type: string, bare: boolean, span: Span): Part[] {
    const hole = (type: HoleType, captured: string | undefined = name): Hole => ({ kind: 'hole', name: captured, type, ...span });
    const classHole = (of: ClassName, captured?: string): Hole => hole({ kind: 'class', class: of }, captured);
    if (isClassName(type)) return [classHole(type, name)];
    if (type === 'client') {
      const port: Part = {
        kind: 'optional',
        parts: [
          { kind: 'literal', text: ':', ...span },
          { ...classHole('port'), name: undefined },
        ],
        ...span,
      };
      const bracket = (text: string): Part => ({ kind: 'literal', text, ...span });
      return [classHole('host', name), bracket('['), { ...classHole('addr'), name: undefined }, bracket(']'), port];
    }
    if (type === 'text' || type === 'own') return [hole({ kind: type })];
    if (bare) {
      const near = nearestClass(name);
      if (near === undefined) return [hole({ kind: 'text' })];
      const help = `did you mean {${near}}? If it is text after all, say so: {${name}:text}`;
      this.mistake(span.start, span.end, `{${name}} would be any text, but it is nearly the class "${near}"`, help);
      return [];
    }
    return this.wordsHole(name, type, span);
  }

  private wordsHole(name: string, type: string, span: Span): Part[] {
    const words = type.split('|');
    if (words.length > 1) {
      if (words.includes(''))
        this.mistake(span.start, span.end, `{${name}:...} has an empty word`, 'put what may be missing into an optional part: {?...}');
      if (type.includes('{')) this.mistake(span.start, span.end, `{${name}:...} holds a brace: words are plain text`);
      const longestFirst = [...new Set(words)].filter((word) => word !== '').toSorted((a, b) => b.length - a.length);
      return [{ kind: 'hole', name, type: { kind: 'words', words: longestFirst }, ...span }];
    }
    const near = nearestName(type, typeNames);
    const known = typeNames.filter((known) => known !== 'client').join(', ');
    const help =
      near === undefined
        ? `the types are ${known}, client, or words: {${name}:this|that}`
        : `did you mean {${name}:${near}}? For one word, write it as plain text`;
    this.mistake(span.start, span.end, type === '' ? `{${name}:} lacks its type` : `"${type}" is no type of a hole`, help);
    return [];
  }

  mistake(start: number, end: number, message: string, help?: string): void {
    this.mistakes.push({ start, end: Math.max(end, start + 1), message, help });
  }
}

/** A class one letter off: dropped, added, changed, or swapped with its neighbour. */
function nearestClass(name: string): string | undefined {
  if (name.length < 3) return undefined;
  return typeNames.find((known) => name !== known && oneLetterOff(name, known));
}

function oneLetterOff(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (long.length - short.length > 1) return false;
  let same = 0;
  while (same < short.length && short[same] === long[same]) same++;
  if (long.length > short.length) return short.slice(same) === long.slice(same + 1);
  if (short.slice(same + 1) === long.slice(same + 1)) return true;
  return short[same] === long[same + 1] && short[same + 1] === long[same] && short.slice(same + 2) === long.slice(same + 2);
}
