import { stripVTControlCharacters } from 'node:util';

/** One mistake in a file that somebody wrote, with the place to mend. Lines and columns count from 1, columns in UTF-16 code units; line 0 means the whole file. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** How much of the line is meant, in UTF-16 code units; at least 1. */
  readonly length: number;
  /** What is wrong: the value found and the value wanted. */
  readonly message: string;
  readonly help: string | undefined;
  readonly severity: 'error' | 'warning';
}

/**
 * `file:line:col: message`, the line with a caret below it, and the help.
 *
 * @param sourceLine the text of that line; undefined where it cannot be shown
 */
export function formatDiagnostic(diagnostic: Diagnostic, sourceLine: string | undefined): string {
  const place = diagnostic.line === 0 ? diagnostic.file : `${diagnostic.file}:${diagnostic.line}:${diagnostic.column}`;
  const out = [`${place}: ${diagnostic.severity === 'warning' ? 'warning: ' : ''}${printable(diagnostic.message)}`];
  if (sourceLine !== undefined && diagnostic.line > 0) {
    const number = String(diagnostic.line).padStart(5);
    const { text, column } = excerpt(sourceLine, diagnostic.column);
    const carets = '^'.repeat(Math.max(1, Math.min(diagnostic.length, text.length - column + 1)));
    out.push(`${number} | ${text}`, `${' '.repeat(5)} | ${' '.repeat(column - 1)}${carets}`);
  }
  if (diagnostic.help !== undefined) out.push(`  help: ${printable(diagnostic.help)}`);
  return out.join('\n');
}

/**
 * All mistakes of one run, in the order of the files, and how many they are.
 *
 * @param texts of the files, for the lines that are shown; a file that is not in it is named without its lines
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], texts: ReadonlyMap<string, string>): string {
  const order = [...new Set([...texts.keys(), ...diagnostics.map(({ file }) => file)])];
  const rank = new Map(order.map((file, index) => [file, index]));
  const sorted = diagnostics.toSorted(
    (a, b) => (rank.get(a.file) ?? 0) - (rank.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
  );
  const lines = new Map([...texts].map(([file, text]) => [file, text.split(/\r?\n/)]));
  const out = sorted.map((diagnostic) => formatDiagnostic(diagnostic, lines.get(diagnostic.file)?.[diagnostic.line - 1]));
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  const counts = [countOf(errors, 'mistake'), countOf(diagnostics.length - errors, 'warning')].filter((count) => count !== '');
  return [...out, ...(counts.length === 0 ? [] : [counts.join(', ')])].join('\n');
}

function countOf(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}${count === 1 ? '' : 's'}`;
}

const shownColumns = 160;

/** A window of a long line around the column: a caret far to the right of the terminal helps nobody. */
function excerpt(line: string, column: number): { text: string; column: number } {
  const clean = printable(line.replaceAll('\t', ' '));
  if (clean.length !== line.length || clean.length <= shownColumns)
    return { text: clean.slice(0, shownColumns), column: Math.min(column, shownColumns) };
  const start = Math.max(0, Math.min(column - 1 - shownColumns / 2, clean.length - shownColumns));
  return { text: clean.slice(start, start + shownColumns), column: column - start };
}

/**
 * Control bytes escaped as \xNN, bidirectional and line separators as \uNNNN: text from outside may hold escape sequences, and the
 * reader's terminal obeys them.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text) === text && !unprintable.test(text)
    ? text
    : text.replaceAll(unprintableAll, (char) => {
        const code = char.codePointAt(0) ?? 0;
        return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
      });
}

const unprintableAll = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const unprintable = new RegExp(unprintableAll.source);
