import { parseEscape, parseSet } from './regex-set.ts';
import { RegexMistake, widthOf } from './regex-tree.ts';
import type { CharSet, Edge, Node, RegexTree, Width } from './regex-tree.ts';

/** Flags that say how the rest is read. */
export interface RegexFlags {
  readonly fold: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
  readonly verbose: boolean;
  readonly ascii: boolean;
}

export const noFlags: RegexFlags = { fold: false, multiline: false, dotAll: false, verbose: false, ascii: false };

const deepestGroup = 100;
/** Longest expression that is read, in UTF-16 code units. The longest that fail2ban ships has some 3,000. */
export const maxRegexLength = 65_536;
const maxRepeat = 65_535;
const empty: Node = { kind: 'sequence', items: [] };

/**
 * Parses an expression of Python's `re`, as fail2ban's filters are written in it.
 *
 * @param text with fail2ban's own tags already replaced
 * @param spans is told where each part of a sequence stands in the text
 * @throws {RegexMistake} for what Python refuses too, and for what cannot be translated exactly
 * @see https://docs.python.org/3.11/library/re.html#regular-expression-syntax
 */
export function parseRegex(text: string, flags: RegexFlags = noFlags, spans?: Map<Node, TextSpan>): RegexTree {
  if (text.length > maxRegexLength)
    throw new RegexMistake(0, 1, `this expression has ${text.length} characters; at most ${maxRegexLength} are read`);
  return new RegexParser(text, flags, spans).tree();
}

/** Offsets in a text, in UTF-16 code units. */
export interface TextSpan {
  readonly start: number;
  readonly end: number;
}

class RegexParser {
  private readonly text: string;
  private readonly spans: Map<Node, TextSpan> | undefined;
  private readonly initial: RegexFlags;
  private at = 0;
  private depth = 0;
  private groups = 0;
  private readonly names = new Map<string, number>();
  private readonly widths = new Map<number, Width>();
  private readonly conditions: { readonly index: number; readonly start: number }[] = [];

  constructor(text: string, flags: RegexFlags, spans: Map<Node, TextSpan> | undefined) {
    this.text = text;
    this.spans = spans;
    this.initial = flags;
  }

  tree(): RegexTree {
    const root = this.choice(this.globalFlags());
    if (this.at < this.text.length) this.refuse(this.at, this.at + 1, 'this ")" closes no group', 'write \\) for the character itself');
    for (const { index, start } of this.conditions) {
      if (index > this.groups) this.refuse(start, start + 1, `there is no group ${index}`);
    }
    return { root, groups: this.groups, names: this.names };
  }

  private globalFlags(): RegexFlags {
    let flags = this.initial;
    for (;;) {
      const [source, letters = ''] = /^\(\?([aiLmsux]+)\)/.exec(this.text.slice(this.at)) ?? [];
      if (source === undefined) return flags;
      flags = this.withFlags(flags, letters, '', this.at);
      this.at += source.length;
    }
  }

  private withFlags(flags: RegexFlags, on: string, off: string, start: number): RegexFlags {
    if (on.includes('L')) this.refuse(start, start + 2, 'the flag L is for bytes: Python refuses it for text', 'leave it out');
    return {
      fold: (flags.fold || on.includes('i')) && !off.includes('i'),
      multiline: (flags.multiline || on.includes('m')) && !off.includes('m'),
      dotAll: (flags.dotAll || on.includes('s')) && !off.includes('s'),
      verbose: (flags.verbose || on.includes('x')) && !off.includes('x'),
      ascii: (flags.ascii || on.includes('a')) && !on.includes('u'),
    };
  }

  private choice(flags: RegexFlags): Node {
    const alternatives = [this.sequence(flags)];
    while (this.text[this.at] === '|') {
      this.at++;
      alternatives.push(this.sequence(flags));
    }
    const [only] = alternatives;
    return alternatives.length === 1 && only !== undefined ? only : { kind: 'choice', alternatives };
  }

  private sequence(flags: RegexFlags): Node {
    const items: Node[] = [];
    while (this.at < this.text.length) {
      if (flags.verbose && this.skipVerbose()) continue;
      const char = this.text[this.at];
      if (char === '|' || char === ')') break;
      const start = this.at;
      const item = this.item(flags);
      if (item === undefined) continue;
      if (flags.verbose) while (this.skipVerbose());
      const part = this.quantified(item, start);
      this.spans?.set(part, { start, end: this.at });
      items.push(part);
    }
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : { kind: 'sequence', items };
  }

  /** Skips a space or a comment, as the flag x allows them. */
  private skipVerbose(): boolean {
    const [source] = /^(?:[ \t\n\r\f\v]+|#[^\n]*\n?)/.exec(this.text.slice(this.at)) ?? [];
    if (source === undefined) return false;
    this.at += source.length;
    return true;
  }

  private item(flags: RegexFlags): Node | undefined {
    const start = this.at;
    const char = this.text[start] ?? '';
    switch (char) {
      case '(':
        return this.group(flags);
      case '[': {
        const { set, end } = parseSet(this.text, start, flags.ascii);
        this.at = end;
        return { kind: 'chars', set, fold: flags.fold };
      }
      case '\\':
        return this.escape(flags);
      case '.':
        this.at++;
        return chars(flags.dotAll ? anyChar : notNewline, false);
      case '^':
        this.at++;
        return { kind: 'edge', at: flags.multiline ? 'line-start' : 'start' };
      case '$':
        this.at++;
        return { kind: 'edge', at: flags.multiline ? 'line-end' : 'end' };
      case '*':
      case '+':
      case '?':
        return this.refuse(start, start + 1, `"${char}" has nothing to repeat`, `write \\${char} for the character itself`);
      default: {
        if (char === '{' && this.bounds() !== undefined)
          return this.refuse(start, this.at, 'a repetition has nothing to repeat', 'write \\{ for the character itself');
        const code = this.text.codePointAt(start) ?? 0;
        this.at += code > 0xffff ? 2 : 1;
        return literal(code, flags.fold);
      }
    }
  }

  private escape(flags: RegexFlags): Node {
    const start = this.at;
    const edge = edgeOf(this.text[start + 1] ?? '', flags.ascii);
    if (edge !== undefined) {
      this.at += 2;
      return { kind: 'edge', at: edge };
    }
    const [source, digits = ''] = /^\\([1-9]\d?)/.exec(this.text.slice(start)) ?? [];
    // Three octal digits are a character, which parseEscape reads.
    if (source !== undefined && !/^\\[0-3][0-7]{2}/.test(this.text.slice(start))) {
      this.at += source.length;
      return this.reference(Number(digits), flags, start);
    }
    const { part, end } = parseEscape(this.text, start, flags.ascii, 'outside');
    this.at = end;
    return chars({ negated: false, parts: [part] }, flags.fold && part.kind === 'range');
  }

  private reference(index: number, flags: RegexFlags, start: number): Node {
    if (!this.widths.has(index))
      this.refuse(start, this.at, index > this.groups ? `there is no group ${index} before this` : `group ${index} is still open here`);
    return { kind: 'reference', index, fold: flags.fold, start, end: this.at };
  }

  private quantified(item: Node, start: number): Node {
    const quantifierAt = this.at;
    const bounds = this.bounds();
    if (bounds === undefined) return item;
    if (item.kind === 'edge' && this.text[start] !== '(') this.refuse(quantifierAt, this.at, 'there is nothing to repeat before this');
    const sign = this.text[this.at];
    if (sign === '?' || sign === '+') this.at++;
    const again = this.at;
    if (/[*+?]/.test(this.text[again] ?? '') || this.bounds() !== undefined)
      this.refuse(start, again + 1, 'a repetition of a repetition', 'put the first one into (?:...)');
    return { kind: 'repeat', body: item, ...bounds, mode: sign === '?' ? 'lazy' : sign === '+' ? 'possessive' : 'greedy' };
  }

  /** Reads `*`, `+`, `?`, `{n}`, `{n,}`, `{,n}` or `{n,m}`; any other `{` is a character. */
  private bounds(): { readonly least: number; readonly most: number } | undefined {
    const start = this.at;
    const char = this.text[start];
    if (char === '*' || char === '+' || char === '?') {
      this.at++;
      return { least: char === '+' ? 1 : 0, most: char === '?' ? 1 : Infinity };
    }
    if (char !== '{') return undefined;
    const [source, from = '', comma, to = ''] = /^\{(\d*)(?:(,)(\d*))?\}/.exec(this.text.slice(start)) ?? [];
    if (source === undefined || source === '{}') return undefined;
    this.at += source.length;
    const least = from === '' ? 0 : Number(from);
    const most = comma === undefined ? least : to === '' ? Infinity : Number(to);
    if (most < least) this.refuse(start, this.at, `"${source}" ends before it begins`);
    if (least > maxRepeat || (most !== Infinity && most > maxRepeat)) this.refuse(start, this.at, `more than ${maxRepeat} repetitions`);
    return { least, most };
  }

  private group(flags: RegexFlags): Node | undefined {
    const start = this.at;
    const rest = this.text.slice(start, start + 80);
    if (!rest.startsWith('(?')) {
      this.at++;
      return this.capturing(undefined, flags, start);
    }
    if (rest.startsWith('(?#')) {
      const end = this.text.indexOf(')', start);
      if (end === -1) this.refuse(start, start + 3, 'this comment is never closed');
      this.at = end + 1;
      return undefined;
    }
    const [named, name = ''] = /^\(\?P<([^>)]*)>/.exec(rest) ?? [];
    if (named !== undefined) {
      this.checkName(name, start);
      this.at += named.length;
      return this.capturing(name, flags, start);
    }
    const [referring, referred = ''] = /^\(\?P=([^)]*)\)/.exec(rest) ?? [];
    if (referring !== undefined) {
      this.at += referring.length;
      return this.reference(this.indexOf(referred, start), flags, start);
    }
    const [condition, which = ''] = /^\(\?\(([^)]*)\)/.exec(rest) ?? [];
    if (condition !== undefined) return this.conditional(condition, which, flags, start);
    const [look] = /^\(\?<?[=!]/.exec(rest) ?? [];
    if (look !== undefined) return this.look(look, flags, start);
    if (rest.startsWith('(?>')) {
      this.at += 3;
      return { kind: 'atomic', body: this.closed(flags, start) };
    }
    const [scoped, on = '', off = ''] = /^\(\?([aiLmsux]*)(?:-([imsx]+))?:/.exec(rest) ?? [];
    if (scoped !== undefined) {
      this.at += scoped.length;
      return this.closed(this.withFlags(flags, on, off, start), start);
    }
    if (/^\(\?[aiLmsux]+\)/.test(rest))
      return this.refuse(
        start,
        start + 3,
        'flags for the whole expression stand at its beginning only',
        'write (?i:...) around the part that is meant',
      );
    return this.refuse(start, start + 3, `"${rest.slice(0, 3)}" is not Python's syntax`, 'named groups are (?P<name>...), others (?:...)');
  }

  private capturing(name: string | undefined, flags: RegexFlags, start: number): Node {
    const index = ++this.groups;
    if (name !== undefined) this.names.set(name, index);
    const body = this.closed(flags, start);
    this.widths.set(index, widthOf(body, this.widths));
    return { kind: 'group', index, body };
  }

  private checkName(name: string, start: number): void {
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) this.refuse(start, start + 4 + name.length, `"${name}" cannot be the name of a group`);
    if (this.names.has(name))
      this.refuse(
        start,
        start + 4 + name.length,
        `two groups are called "${name}"`,
        '<HOST>, <ADDR>, <IP4> and the like can stand once in an expression',
      );
  }

  private indexOf(name: string, start: number): number {
    const index = /^\d+$/.test(name) ? Number(name) : this.names.get(name);
    if (index === undefined || index === 0) return this.refuse(start, start + 3 + name.length, `there is no group "${name}" before this`);
    return index;
  }

  private conditional(condition: string, which: string, flags: RegexFlags, start: number): Node {
    const index = this.indexOf(which, start);
    this.conditions.push({ index, start });
    this.at += condition.length;
    const body = this.closed(flags, start);
    if (body.kind !== 'choice') return { kind: 'conditional', index, yes: body, no: empty };
    const [yes = empty, no = empty, third] = body.alternatives;
    if (third !== undefined) this.refuse(start, this.at, 'a condition has more than two branches');
    return { kind: 'conditional', index, yes, no };
  }

  private look(opening: string, flags: RegexFlags, start: number): Node {
    this.at += opening.length;
    const ahead = !opening.includes('<');
    const body = this.closed(flags, start);
    const { least, most } = widthOf(body, this.widths);
    if (!ahead && least !== most) this.refuse(start, this.at, 'what a lookbehind looks for must have one length', 'Python refuses it too');
    return { kind: 'look', ahead, negated: opening.endsWith('!'), body };
  }

  /** The rest of a group, up to its `)`. */
  private closed(flags: RegexFlags, start: number): Node {
    if (++this.depth > deepestGroup) this.refuse(start, start + 1, `groups stand within each other more than ${deepestGroup} deep`);
    const body = this.choice(flags);
    if (this.text[this.at] !== ')') this.refuse(start, start + 1, 'this group is never closed', 'write \\( for the character itself');
    this.at++;
    this.depth--;
    return body;
  }

  private refuse(start: number, end: number, message: string, help?: string): never {
    throw new RegexMistake(start, end, message, help);
  }
}

const anyChar: CharSet = { negated: true, parts: [] };
const notNewline: CharSet = { negated: true, parts: [{ kind: 'range', from: 10, to: 10 }] };

function chars(set: CharSet, fold: boolean): Node {
  return { kind: 'chars', set, fold };
}

function literal(code: number, fold: boolean): Node {
  return chars({ negated: false, parts: [{ kind: 'range', from: code, to: code }] }, fold);
}

function edgeOf(letter: string, ascii: boolean): Edge | undefined {
  switch (letter) {
    case 'A':
      return 'start';
    case 'Z':
      return 'very-end';
    case 'b':
      return ascii ? 'ascii-word' : 'word';
    case 'B':
      return ascii ? 'ascii-not-word' : 'not-word';
    default:
      return undefined;
  }
}
