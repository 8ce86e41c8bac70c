import type { Diagnostic } from '../../diagnostic.ts';
import { diagnosticAt } from './mistake.ts';
import { type Place, type SourcedText, sourced } from './sourced-text.ts';

/** Keys in lower case, in the order of the file. */
export type Section = ReadonlyMap<string, SourcedText>;

/** A mistake, and the section that it spoils; undefined: it stands before any section. */
export interface IniMistake {
  readonly section: string | undefined;
  readonly diagnostic: Diagnostic;
}

/** One file, as Python's ConfigParser reads it, without any substitution. */
export interface IniFile {
  readonly file: string;
  /** All but DEFAULT, in the order of the file. */
  readonly sections: ReadonlyMap<string, Section>;
  readonly defaults: Section;
  /** Where each section begins. */
  readonly headings: ReadonlyMap<string, Place>;
  readonly mistakes: readonly IniMistake[];
}

export const defaultSection = 'DEFAULT';

/** What Python's str.strip() removes: more than String.trim() at the low end, less at the byte order mark. */
const space = '\\t-\\r\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const leadingSpace = new RegExp(`^[${space}]*`);
const inlineComment = new RegExp(`(?:^|[${space}]);`);

export function strip(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end).replace(leadingSpace, '');
}

function isSpace(code: number): boolean {
  if (code < 0x80) return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20);
  return leadingSpace.exec(String.fromCharCode(code))?.[0].length === 1;
}

/** A value while its lines come in. */
interface OpenValue {
  readonly lines: string[];
  readonly places: [Place, ...Place[]];
}

/**
 * Reads `[section]`, `key = value`, `key: value`, lines of a value that are indented deeper than its key, and comments.
 *
 * All mistakes are collected. Python gives the whole file up at each of them; here the caller gives up what the mistake touches.
 *
 * @see Python's configparser, strict, with `;` as inline comment
 */
export function parseIni(file: string, text: string): IniFile {
  const sections = new Map<string, Map<string, OpenValue>>();
  const defaults = new Map<string, OpenValue>();
  const headings = new Map<string, Place>();
  const mistakes: IniMistake[] = [];
  let current: { readonly name: string; readonly values: Map<string, OpenValue>; readonly doubled: boolean } | undefined;
  let open: OpenValue | undefined;
  let indent = 0;
  let lineNumber = 0;

  const mistake = (place: Place, message: string, help?: string) =>
    mistakes.push({ section: current?.name, diagnostic: diagnosticAt(place, message, { help }) });

  for (const line of text.split(/\r\n|\r|\n/)) {
    lineNumber++;
    const depth = leadingSpace.exec(line)?.[0].length ?? 0;
    const place = { file, line: lineNumber, column: depth + 1 };
    const content = withoutComment(line, depth);
    if (content === undefined) continue; // a comment, also within a value
    const value = strip(content);
    if (value === '') {
      // A line that holds only an inline comment is no line of the value; an empty one is.
      if (content.length === line.length && open !== undefined) append(open, '', place);
      continue;
    }
    if (open !== undefined && depth > indent) {
      append(open, value, place);
      continue;
    }
    indent = depth;

    const heading = /^\[(.+)\]/.exec(value)?.[1];
    if (heading !== undefined) {
      open = undefined;
      const known = heading === defaultSection ? undefined : sections.get(heading);
      current = { name: heading, values: heading === defaultSection ? defaults : new Map(), doubled: known !== undefined };
      if (known !== undefined) {
        const first = headings.get(heading);
        mistake(
          place,
          `the section [${heading}] stands in this file twice; the first is in line ${first?.line ?? 0}`,
          'put all its keys under one',
        );
      } else if (heading !== defaultSection) {
        sections.set(heading, current.values);
        headings.set(heading, place);
      }
      continue;
    }
    if (current === undefined) {
      const marked = line.startsWith('\ufeff');
      mistake(
        place,
        marked ? 'the file begins with a byte order mark' : 'text before the first [section]',
        marked ? 'save it as UTF-8 without one' : undefined,
      );
      continue;
    }
    const delimiter = value.search(/[=:]/);
    const key = strip(value.slice(0, Math.max(0, delimiter))).toLowerCase();
    if (key === '') {
      open = undefined;
      mistake(
        place,
        delimiter === -1 ? 'neither "key = value" nor a [section]' : 'a value without a key',
        'lines that go on with a value are indented deeper than its key',
      );
      continue;
    }
    open = { lines: [strip(value.slice(delimiter + 1))], places: [place] };
    if (current.doubled) continue;
    const earlier = current.values.get(key);
    if (earlier !== undefined)
      mistake(place, `the key "${key}" stands in [${current.name}] twice; the first is in line ${earlier.places[0].line}`);
    current.values.set(key, open);
  }
  return {
    file,
    sections: new Map([...sections].map(([name, values]) => [name, closed(values)])),
    defaults: closed(defaults),
    headings,
    mistakes,
  };
}

/** @returns undefined for a line that is a comment; else the line up to its inline comment */
function withoutComment(line: string, depth: number): string | undefined {
  if (line[depth] === '#' || line[depth] === ';') return undefined;
  const found = inlineComment.exec(line);
  return found === null ? line : line.slice(0, found.index + found[0].length - 1);
}

function append({ lines, places }: OpenValue, value: string, place: Place): void {
  lines.push(value);
  places.push(place);
}

function closed(values: ReadonlyMap<string, OpenValue>): Section {
  return new Map([...values].map(([key, value]) => [key, joined(value)]));
}

function joined({ lines, places: [first, ...rest] }: OpenValue): SourcedText {
  let count = lines.length;
  while (count > 1 && lines[count - 1] === '') count--;
  if (count === 1) return sourced(lines[0] ?? '', first);
  return { text: lines.slice(0, count).join('\n'), places: [first, ...rest.slice(0, count - 1)] };
}
