import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Node, Scalar } from 'yaml';
import type { Diagnostic } from '../../diagnostic.ts';
import { didYouMean, nearestName } from '../../model/spelling.ts';
import { scalarOffsets } from '../../model/scalar-offsets.ts';
import type { ScalarStyle } from '../../model/scalar-offsets.ts';

/** One entry of a mapping. */
export interface Entry {
  readonly key: string;
  readonly keyNode: Node;
  readonly value: Node | undefined;
}

/** A text of the file, with the place of each of its characters. */
export interface PlacedText {
  readonly text: string;
  readonly node: Node;
}

const mostBytes = 1_048_576;

/** Reads one YAML file into values with places, and collects all mistakes on the way. */
export class YamlReader {
  readonly diagnostics: Diagnostic[] = [];
  /** undefined: not YAML, or nothing in it; the mistake is reported. */
  readonly root: Node | undefined;
  private readonly file: string;
  private readonly source: string;
  private readonly lines = new LineCounter();

  constructor(file: string, source: string) {
    this.file = file;
    this.source = source.length > mostBytes ? '' : source;
    if (source.length > mostBytes) {
      this.reportAt(0, 1, `the file has ${source.length} characters; at most ${mostBytes} are read`);
      return;
    }
    const document = this.parse(source);
    if (document === undefined) return;
    for (const { pos, message, code } of [...document.errors, ...document.warnings]) {
      this.reportAt(pos[0], code === 'DUPLICATE_KEY' ? keyLength(source, pos[0]) : 1, duplicate(code, source, pos[0]) ?? message);
    }
    if (document.contents === null) {
      if (document.errors.length === 0) this.reportAt(0, 1, 'the file is empty');
      return;
    }
    this.root = document.contents;
  }

  /** @returns undefined after saying that the file cannot be read: the library calls itself for each level of nesting */
  private parse(source: string): ReturnType<typeof parseDocument> | undefined {
    try {
      return parseDocument(source, { lineCounter: this.lines, prettyErrors: false, version: '1.2', logLevel: 'silent' });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.reportAt(0, 1, 'the file is nested too deeply');
      return undefined;
    }
  }

  /** The entries of a mapping; keys that are not known are reported, with the nearest known one, or what they belong to. */
  mapping(
    node: Node | undefined,
    what: string,
    known: readonly string[] | undefined,
    elsewhere: ReadonlyMap<string, string> = new Map(),
  ): readonly Entry[] {
    if (!isMap(node)) {
      if (node !== undefined) this.report(node, `${what} must be a mapping, "key: value"; found ${described(node)}`);
      return [];
    }
    const entries: Entry[] = [];
    for (const { key, value } of node.items as { key: Node; value: Node | null }[]) {
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.report(key, `${what} has a key that is no word: ${described(key)}`);
        continue;
      }
      if (known !== undefined && !known.includes(key.value)) {
        const hint = misplaced(key.value, elsewhere) || didYouMean(key.value, known) || `; ${what} has ${known.join(', ')}`;
        this.report(key, `unknown key "${key.value}"${hint}`);
        continue;
      }
      entries.push({ key: key.value, keyNode: key, value: value ?? undefined });
    }
    return entries;
  }

  sequence(node: Node | undefined, what: string): readonly Node[] {
    if (!isSeq(node)) {
      if (node !== undefined) this.report(node, `${what} must be a list, "[a, b]"; found ${described(node)}`);
      return [];
    }
    return node.items as Node[];
  }

  text(node: Node | undefined, what: string): PlacedText | undefined {
    // A block scalar ends in a line feed that nobody means.
    if (isScalar(node) && typeof node.value === 'string')
      return { text: styleOf(node) === 'block' ? node.value.trimEnd() : node.value, node };
    if (node !== undefined)
      this.report(node, `${what} must be text; found ${described(node)}`, isScalar(node) ? 'put it into quotes' : undefined);
    return undefined;
  }

  flag(node: Node | undefined, what: string): boolean {
    if (isScalar(node) && typeof node.value === 'boolean') return node.value;
    if (node !== undefined) this.report(node, `${what} must be true or false; found ${described(node)}`);
    return false;
  }

  integer(node: Node | undefined, what: string, least: number, most: number): number | undefined {
    if (isScalar(node) && typeof node.value === 'number' && Number.isInteger(node.value) && node.value >= least && node.value <= most)
      return node.value;
    if (node !== undefined) this.report(node, `${what} must be a whole number from ${least} to ${most}; found ${described(node)}`);
    return undefined;
  }

  report(node: Node | undefined, message: string, help?: string, severity: Diagnostic['severity'] = 'error'): void {
    const [start, end] = node?.range ?? [0, 1];
    this.reportAt(start, end - start, message, help, severity);
  }

  /** Reports a part of a text: offsets count in the text, not in the file. */
  reportIn(
    { node, text }: PlacedText,
    start: number,
    end: number,
    message: string,
    help?: string,
    severity: Diagnostic['severity'] = 'error',
  ): void {
    const [first, last] = node.range ?? [0, 0];
    const offsets = scalarOffsets(this.source.slice(first, last), text, styleOf(node));
    const at = first + (offsets[start] ?? 0);
    this.reportAt(at, first + (offsets[end] ?? offsets.at(-1) ?? 0) - at, message, help, severity);
  }

  /** Where a value stands. */
  placeOf(node: Node): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length'> {
    const [start, end] = node.range ?? [0, 1];
    return this.place(start, end - start);
  }

  private reportAt(offset: number, length: number, message: string, help?: string, severity: Diagnostic['severity'] = 'error'): void {
    this.diagnostics.push({ ...this.place(offset, length), message, help, severity });
  }

  private place(offset: number, length: number): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length'> {
    const { line, col } = this.lines.linePos(offset);
    const lineEnd = this.source.indexOf('\n', offset);
    const room = (lineEnd === -1 ? this.source.length : lineEnd) - offset;
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, Math.min(length, room)) };
  }
}

/** A key that belongs to something else, or nearly one. */
function misplaced(key: string, elsewhere: ReadonlyMap<string, string>): string {
  const owner = elsewhere.get(key);
  if (owner !== undefined) return `; it belongs to ${owner}`;
  const near = nearestName(key, elsewhere.keys());
  return near === undefined ? '' : `; did you mean "${near}" (in ${elsewhere.get(near) ?? ''})?`;
}

function styleOf(node: Node): ScalarStyle {
  const type = (node as Scalar).type;
  if (type === 'QUOTE_SINGLE') return 'single';
  if (type === 'QUOTE_DOUBLE') return 'double';
  return type === 'BLOCK_FOLDED' || type === 'BLOCK_LITERAL' ? 'block' : 'plain';
}

function described(node: Node): string {
  if (isScalar(node)) return node.value === null ? 'nothing' : JSON.stringify(node.value).slice(0, 80);
  if (isAlias(node)) return 'an alias; write the value itself';
  return isSeq(node) ? 'a list' : 'a mapping';
}

function duplicate(code: string, source: string, offset: number): string | undefined {
  return code === 'DUPLICATE_KEY' ? `the key "${source.slice(offset, offset + keyLength(source, offset))}" stands here twice` : undefined;
}

function keyLength(source: string, offset: number): number {
  return Math.max(1, (/^[^:\n]*/.exec(source.slice(offset, offset + 200))?.[0] ?? '').trimEnd().length);
}
