/** One row of the table. */
export interface Result {
  readonly what: string;
  readonly who: string;
  readonly figures: Readonly<Record<string, number>>;
  /** The machine's load average of the last minute when the case began: how far the wall times can be believed. */
  readonly loadBefore?: number;
}

export function formatResults(results: readonly Result[]): string {
  return results
    .map(({ what, who, figures }) => {
      const shown = Object.entries(figures).map(([name, value]) => `${formatFigure(value)} ${name}`);
      return `${what.padEnd(46)} ${who.padEnd(24)} ${shown.join(', ')}\n`;
    })
    .join('');
}

function formatFigure(value: number): string {
  return (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString('en');
}
