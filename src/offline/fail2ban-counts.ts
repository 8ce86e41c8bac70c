import type { LineVerdict } from '../match/fail2ban/line-matcher.ts';
import { joinedText } from '../match/fail2ban/line-window.ts';
import type { ForeignFilter } from '../model/foreign-filter.ts';
import type { DateForm } from '../rules/fail2ban/date-forms.ts';
import { StoppableLoop } from './stoppable-loop.ts';

/** So many lines are looked at together. */
const batchLines = 4_096;
/** CPU time for one line, ms. */
const deadlineMs = 1_000;
/** As much of a line as the matcher looks at. */
const lineLength = 8_192;

interface Line {
  readonly text: string;
  readonly verdict: LineVerdict | undefined;
  /** It carries its date. */
  readonly dated: boolean;
}

/**
 * What fail2ban-regex counts of the lines beyond the verdicts: the form of their date, whether the prefregex fits, and every failregex that
 * fits, not only the first.
 */
export class LineCounts {
  readonly #filter: ForeignFilter;
  readonly #forms: readonly DateForm[];
  readonly #loop = new StoppableLoop(deadlineMs, () => undefined);
  #lines: Line[] = [];
  prefregex = 0;
  readonly failregex: number[];
  readonly ignoreregex: number[];
  /** By the form's place in the list. */
  readonly dates: number[];

  constructor(filter: ForeignFilter, forms: readonly DateForm[]) {
    this.#filter = filter;
    this.#forms = forms;
    this.failregex = filter.failRegexes.map(() => 0);
    this.ignoreregex = filter.ignoreRegexes.map(() => 0);
    this.dates = forms.map(() => 0);
  }

  add(line: Line): void {
    this.#lines.push(line);
    if (this.#lines.length === batchLines) this.settle();
  }

  /** Counts what waits. A line over which an expression takes too long counts nothing here. */
  settle(): void {
    const lines = this.#lines;
    this.#lines = [];
    for (let from = 0; from < lines.length; ) {
      from =
        this.#loop.run(from, lines.length, (index) => {
          const line = lines[index];
          if (line !== undefined) this.#count(line);
        }) + 1;
    }
  }

  /** Looks first and counts then: a step that is broken off may be begun again. */
  #count({ text, verdict, dated }: Line): void {
    const { prefRegex, failRegexes, maxLines } = this.#filter;
    const whole = text.slice(0, lineLength);
    const form = dated ? this.#forms.findIndex(({ find }) => find(whole) !== undefined) : -1;
    const date = form === -1 ? undefined : this.#forms[form]?.find(whole);
    const bare = date === undefined ? whole : whole.slice(0, date.start) + whole.slice(date.end);
    let searched = joinedText([{ text: bare, whole }]);
    const outer = prefRegex?.search(searched);
    const content = outer?.group('content') ?? '';
    if (content !== '') searched = `${content}\n`;
    const fitting: number[] = [];
    if (verdict?.kind === 'failure' || verdict?.kind === 'waiting') {
      fitting.push(verdict.failRegex);
      // Over several lines it would have to know which are still there to be matched.
      const others = maxLines === 1 ? failRegexes.slice(verdict.failRegex + 1) : [];
      for (const [index, other] of others.entries()) if (other.search(searched) !== undefined) fitting.push(verdict.failRegex + 1 + index);
    }
    raise(this.dates, form);
    if (outer !== undefined) this.prefregex++;
    for (const index of fitting) raise(this.failregex, index);
    if (verdict?.kind === 'ignored') raise(this.ignoreregex, verdict.ignoreRegex);
  }
}

function raise(counts: number[], index: number): void {
  const count = counts[index];
  if (count !== undefined) counts[index] = count + 1;
}
