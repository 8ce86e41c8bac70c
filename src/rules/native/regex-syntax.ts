import type { PatternMistake, Span } from './pattern-syntax.ts';

/** Characters that one item takes: one flag for each ASCII character, the last one for all others. */
export type CharSet = readonly boolean[];

const others = 128;
const everything: CharSet = Array.from({ length: others + 1 }, () => true);

export interface Chars extends Span {
  readonly kind: 'chars';
  readonly set: CharSet;
  /** The one character it stands for; undefined for a set. */
  readonly char: string | undefined;
  readonly least: number;
  readonly most: number;
}

export interface Group extends Span {
  readonly kind: 'group';
  readonly alternatives: readonly (readonly Item[])[];
  readonly optional: boolean;
}

export interface AddressItem extends Span {
  readonly kind: 'address';
}

export type Item = Chars | Group | AddressItem;

export interface RegexSyntax {
  readonly items: readonly Item[];
  readonly ended: boolean;
  readonly mistakes: readonly PatternMistake[];
}

const longestRegex = 2_000;
const deepestGroup = 8;
const mostAlternatives = 64;

/**
 * Reads the part of the regular-expression language that can be proved to be linear: characters, sets, groups, alternatives, and
 * quantifiers on single characters. Everything else is refused by name.
 */
export function parseRegex(text: string): RegexSyntax {
  if (text.length > longestRegex) {
    const message = `the expression has ${text.length} characters; at most ${longestRegex} are read`;
    return { items: [], ended: false, mistakes: [{ start: 0, end: text.length, message, help: undefined }] };
  }
  return new RegexReader(text).read();
}

/** Whether a character can be of both. */
export function overlap(a: CharSet, b: CharSet): boolean {
  return a.some((held, index) => held && b[index] === true);
}

export function union(a: CharSet, b: CharSet): CharSet {
  return everything.map((_, index) => a[index] === true || b[index] === true);
}

export const noChars: CharSet = everything.map(() => false);

export function setOf(inside: RegExp): CharSet {
  return everything.map((_, code) =>
    code === others ? inside.test('\u00e9') || inside.test('\u4e00') || inside.test('\u2028') : inside.test(String.fromCharCode(code)),
  );
}

class RegexReader {
  private readonly mistakes: PatternMistake[] = [];
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  read(): RegexSyntax {
    if (this.text.startsWith('^')) this.at = 1;
    else
      this.mistake(
        0,
        1,
        'the expression does not begin with "^"',
        'begin it with "^": what a client writes later in the line must not look like its beginning',
      );
    const items = this.sequence(0);
    const ended = this.text[this.at] === '$' && this.at === this.text.length - 1;
    if (this.text[this.at] === '|')
      this.mistake(
        this.at,
        this.at + 1,
        'alternatives stand outside a group, where "^" holds for the first one only',
        'put them into a group: (?:this|that)',
      );
    else if (this.text[this.at] === ')') this.mistake(this.at, this.at + 1, 'a ")" that closes nothing');
    else if (!ended && this.at < this.text.length)
      this.mistake(
        this.at,
        this.at + 1,
        `"${this.text[this.at]}" cannot stand here`,
        'write a backslash before it for the character itself',
      );
    return { items, ended, mistakes: this.mistakes };
  }

  private sequence(depth: number): readonly Item[] {
    const items: Item[] = [];
    while (this.at < this.text.length && this.mistakes.length === 0) {
      const char = this.text.charAt(this.at);
      if (char === '|' || char === ')' || char === '$') break;
      const item = this.item(depth);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  private item(depth: number): Item | undefined {
    const start = this.at;
    if (this.text.startsWith('<ADDR>', start)) {
      this.at += 6;
      if (this.quantifier() !== undefined)
        this.mistake(start, this.at, 'the address may be missing or come again: <ADDR> takes no quantifier');
      return { kind: 'address', start, end: this.at };
    }
    if (this.text[start] === '(') return this.group(depth);
    const taken = this.chars();
    if (taken === undefined) return undefined;
    const { least, most } = this.quantifier() ?? { least: 1, most: 1 };
    return { kind: 'chars', ...taken, least, most, start, end: this.at };
  }

  private group(depth: number): Item | undefined {
    const start = this.at;
    const [open = ''] = /^\((?:\?(?:[:=!]|<[=!]|<[A-Za-z_][A-Za-z0-9_]*>|[A-Za-z-]*:?))?/.exec(this.text.slice(start)) ?? [];
    if (/^\(\?<?[=!]/.test(open))
      return this.refuse(start, open.length, 'lookahead and lookbehind are not taken', 'say what does fit, or use "except:"');
    if (!/^\((?:\?:|\?<[A-Za-z_][A-Za-z0-9_]*>)?$/.test(open))
      return this.refuse(start, open.length, `"${open}" is not taken`, 'groups are (...), (?:...) and (?<name>...)');
    if (depth >= deepestGroup) return this.refuse(start, 1, `groups stand within each other more than ${deepestGroup} deep`);
    this.at += open.length;
    const alternatives = [this.sequence(depth + 1)];
    while (this.text[this.at] === '|' && this.mistakes.length === 0) {
      this.at++;
      alternatives.push(this.sequence(depth + 1));
    }
    if (this.mistakes.length > 0) return undefined;
    if (alternatives.length > mostAlternatives)
      return this.refuse(start, open.length, `this group has ${alternatives.length} alternatives; at most ${mostAlternatives} are read`);
    if (this.text[this.at] === '$') return this.refuse(this.at, 1, '"$" stands inside a group', 'end the expression with it');
    if (this.text[this.at] !== ')') return this.refuse(start, open.length, 'this group is never closed');
    this.at++;
    const quantified = this.quantifier();
    if (quantified !== undefined && (quantified.least !== 0 || quantified.most !== 1)) {
      return this.refuse(
        start,
        this.at - start,
        'a group that may come again can take exponential time',
        'only "?" is taken behind a group',
      );
    }
    return { kind: 'group', alternatives, optional: quantified !== undefined, start, end: this.at };
  }

  private chars(): { readonly set: CharSet; readonly char: string | undefined } | undefined {
    const rest = this.text.slice(this.at);
    const char = rest.charAt(0);
    if (char === '\\') return this.escape(rest);
    if (char === '[') {
      const [source] = /^\[\^?(?:\\[^]|[^\]\\])+\]/.exec(rest) ?? [];
      const set = source === undefined ? undefined : safeSet(source);
      if (source === undefined || set === undefined)
        return this.refuse(this.at, 1, 'this set is never closed, or holds what no set can hold');
      this.at += source.length;
      return { set, char: undefined };
    }
    if ('*+?{'.includes(char))
      return this.refuse(this.at, 1, `"${char}" has nothing to stand behind`, `write \\${char} for the character itself`);
    if (char === '^') return this.refuse(this.at, 1, '"^" stands at the beginning only', 'write \\^ for the character itself');
    this.at++;
    if (char === '.') return { set: setOf(/./), char: undefined };
    return { set: setOfChar(char), char };
  }

  private escape(rest: string): { readonly set: CharSet; readonly char: string | undefined } | undefined {
    const [source = '\\'] = /^\\(?:x[0-9A-Fa-f]{2}|[^])/.exec(rest) ?? [];
    const kind = source.charAt(1);
    if (/[1-9k]/.test(kind)) return this.refuse(this.at, source.length, 'backreferences are not taken', 'write the text again');
    if (/[dwsDWS]/.test(kind)) {
      this.at += source.length;
      return { set: setOf(new RegExp(source)), char: undefined };
    }
    if (!/^\\(?:[tnrfv]|x[0-9A-Fa-f]{2}|[^A-Za-z0-9])$/.test(source))
      return this.refuse(
        this.at,
        source.length,
        `"${source}" is not taken`,
        'escapes are \\d \\w \\s \\D \\W \\S \\t \\xNN, and a backslash before punctuation',
      );
    this.at += source.length;
    const char = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).find((char) => new RegExp(`^${source}$`).test(char));
    return { set: char === undefined ? setOf(new RegExp(source)) : setOfChar(char), char };
  }

  private quantifier(): { readonly least: number; readonly most: number } | undefined {
    const [source, from, comma, to] = /^(?:[*+?]|\{(\d{1,4})(?:(,)(\d{1,4})?)?\})/.exec(this.text.slice(this.at)) ?? [];
    if (source === undefined) return undefined;
    const start = this.at;
    this.at += source.length;
    if (/[?+]/.test(this.text[this.at] ?? ''))
      this.mistake(
        start,
        this.at + 1,
        'lazy and possessive quantifiers are not taken',
        'say what stands behind instead: [^ ]+ up to the next space',
      );
    if (source === '*') return { least: 0, most: Infinity };
    if (source === '+') return { least: 1, most: Infinity };
    if (source === '?') return { least: 0, most: 1 };
    const least = Number(from);
    const most = comma === undefined ? least : to === undefined ? Infinity : Number(to);
    if (most < least) this.mistake(start, this.at, `"${source}" ends before it begins`);
    return { least, most };
  }

  private refuse(start: number, length: number, message: string, help?: string): undefined {
    this.mistake(start, start + length, message, help);
    this.at = this.text.length;
    return undefined;
  }

  private mistake(start: number, end: number, message: string, help?: string): void {
    // The first mistake decides what the rest could mean: later ones would be guesses.
    if (this.mistakes.length === 0) this.mistakes.push({ start, end: Math.max(end, start + 1), message, help });
  }
}

function setOfChar(char: string): CharSet {
  const code = Math.min(char.charCodeAt(0), others);
  return everything.map((_, index) => index === code);
}

function safeSet(source: string): CharSet | undefined {
  try {
    return setOf(new RegExp(`^${source}$`));
  } catch {
    return undefined;
  }
}
