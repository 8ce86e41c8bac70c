import { printable } from '../diagnostic.ts';
import type { Paint, Tone } from './paint.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand right-aligned, so that their digits compare. */
  readonly right?: boolean;
}

/** A cell, or one with a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/**
 * Rows under titles, columns two blanks apart, the last one as long as it likes. Cells are escaped here, so text from anywhere may be
 * put in.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], paint: Paint): string {
  const cells = rows.map((row) => columns.map((_, index) => plain(row[index] ?? '')));
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => row[index]?.text.length ?? 0)));
  const pad = (text: string, index: number, row: readonly { readonly text: string }[]): string => {
    const width = widths[index] ?? 0;
    if (columns[index]?.right === true) return text.padStart(width);
    // Blanks at the end of a line only make it wrap.
    return row.slice(index + 1).every((later) => later.text === '') ? text : text.padEnd(width);
  };
  const lines = [titles(columns), ...cells].map((row, line) =>
    row
      .map(({ text, tone }, index) => {
        const padded = pad(text, index, row);
        if (line === 0) return paint('faint', padded);
        return tone === undefined ? padded : paint(tone, padded);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function titles(columns: readonly Column[]): readonly { readonly text: string; readonly tone: undefined }[] {
  return columns.map(({ title }) => ({ text: title, tone: undefined }));
}

function plain(cell: Cell): { readonly text: string; readonly tone: Tone | undefined } {
  return typeof cell === 'string' ? { text: printable(cell), tone: undefined } : { text: printable(cell.text), tone: cell.tone };
}
