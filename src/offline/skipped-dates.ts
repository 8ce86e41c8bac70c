import { maxLineBytes } from '../receive/file-lines.ts';

const lineFeed = 0x0a;

/**
 * The lines that a sieve left out, for the dates that lines without one take from them: asked backwards, and only for such a line. Between two
 * regions their last date is kept, because the bytes are gone then.
 */
export class SkippedDates {
  readonly #dateOf: (line: string) => number | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #kept: number | undefined;

  constructor(dateOf: (line: string) => number | undefined) {
    this.#dateOf = dateOf;
  }

  /** Whole lines were left out behind those that were told before, or behind the last line that was not left out. */
  skip(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.#from = from;
    this.#to = to;
  }

  /** A line was looked at: what was left out before it is of no more use. */
  forget(): void {
    this.#to = this.#from;
    this.#kept = undefined;
  }

  /** The date of the last line that has one. */
  last(): number | undefined {
    const bytes = this.#bytes;
    while (this.#to > this.#from) {
      const newline = this.#to - 2 < this.#from ? -1 : bytes.lastIndexOf(lineFeed, this.#to - 2);
      const start = Math.max(this.#from, newline + 1);
      const date = this.#dateOf(bytes.toString('utf8', start, Math.min(this.#to, start + maxLineBytes)));
      this.#to = start;
      if (date === undefined) continue;
      this.#to = this.#from;
      this.#kept = date;
    }
    return this.#kept;
  }
}
