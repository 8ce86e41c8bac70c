import { WordColumn } from './columns.ts';
import { keyWords } from './half-sip-hash.ts';
import type { KeyTable } from './key-table.ts';
import { newKey, type SubjectKey } from './subject-key.ts';

/**
 * Remembers which rows of a table changed since they were last taken, so that a checkpoint writes no more than that.
 *
 * Bounded if nobody takes: a row is listed once, and of rows that went only `maxGone` are remembered; for those beyond it the store keeps
 * a row that is out of date. A start drops such rows, because they are too old by then, or belong to a subject that is banned.
 */
export class RowChanges {
  readonly #table: KeyTable;
  readonly #maxGone: number;
  /** Bit 0: listed in #changed. Bit 1: whoever takes has seen it, so he must hear when it goes. */
  readonly #marks = new WordColumn();
  #changed: number[] = [];
  #gone: WordColumn = new WordColumn(keyWords);
  #goneCount = 0;
  #forgotten = 0;

  constructor(table: KeyTable, maxGone: number) {
    this.#table = table;
    this.#maxGone = maxGone;
  }

  /** Rows that went and that nobody will hear of, since the start. */
  get forgotten(): number {
    return this.#forgotten;
  }

  changed(row: number): void {
    const mark = this.#marks.get(row);
    if ((mark & listed) !== 0) return;
    this.#marks.set(row, mark | listed);
    this.#changed.push(row);
  }

  /** The row is about to leave the table, or to begin anew under the same key. */
  gone(row: number): void {
    const mark = this.#marks.get(row);
    // A listed row stays in the list: it may be in use again, for another key, when the list is taken.
    this.#marks.set(row, mark & listed);
    if ((mark & seen) === 0) return;
    if (this.#goneCount === this.#maxGone) {
      this.#forgotten++;
      return;
    }
    const key = this.#table.readKey(row, newKey());
    for (let word = 0; word < keyWords; word++) this.#gone.set(this.#goneCount, key[word] ?? 0, word);
    this.#goneCount++;
  }

  /** The rows of a start are in the store already. */
  known(row: number): void {
    this.#marks.set(row, seen);
  }

  /** Hands over every key that changed, once: with its row, or -1 if it is not in the table any more. The key is good until the next one. */
  take(hand: (key: SubjectKey, row: number) => void): void {
    const key = newKey();
    for (let index = 0; index < this.#goneCount; index++) {
      for (let word = 0; word < keyWords; word++) key[word] = this.#gone.get(index, word);
      if (this.#table.find(key) === -1) hand(key, -1);
    }
    if (this.#goneCount > 0) this.#gone = new WordColumn(keyWords);
    this.#goneCount = 0;
    for (const row of this.#changed) {
      if (!this.#table.has(row)) {
        this.#marks.set(row, 0);
        continue;
      }
      this.#marks.set(row, seen);
      hand(this.#table.readKey(row, key), row);
    }
    this.#changed = [];
  }
}

const listed = 1;
const seen = 2;
