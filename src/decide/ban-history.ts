import type { PastBan } from '../model/checkpoint.ts';
import { FloatColumn, WordColumn } from './columns.ts';
import type { HashSeed } from './half-sip-hash.ts';
import { KeyTable } from './key-table.ts';
import { RowChanges } from './row-changes.ts';
import { newKey, type SubjectKey } from './subject-key.ts';
import { removalEffort } from './window-store.ts';

type Past = Pick<PastBan, 'count' | 'endedMs'>;

/** The last ban of each (lane, subject) that has ended, for growing ban times. About 45 bytes each. */
export class BanHistory {
  readonly #table: KeyTable;
  readonly #changes: RowChanges;
  readonly #count = new WordColumn();
  readonly #endedMs = new FloatColumn();
  readonly #limit: number;
  #evicted = 0;
  #evictHand = 0;
  #sweepHand = 0;

  /** @param limit most entries; beyond it the oldest of a few is forgotten, whose next ban is then a first one */
  constructor(seed: HashSeed, limit: number) {
    this.#table = new KeyTable(seed);
    this.#changes = new RowChanges(this.#table, limit);
    this.#limit = limit;
  }

  get size(): number {
    return this.#table.size;
  }

  /** Entries forgotten for want of room, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  get(key: SubjectKey): Past | undefined {
    const row = this.#table.find(key);
    return row === -1 ? undefined : this.#read(row);
  }

  /** Notes that a ban ended. @param known the store has it already */
  put(key: SubjectKey, { count, endedMs }: Past, known = false): void {
    let row = this.#table.find(key);
    if (row === -1) {
      if (this.#table.size >= this.#limit) this.#evict();
      row = this.#table.add(key);
    }
    this.#count.set(row, Math.min(count, maxCount));
    this.#endedMs.set(row, endedMs);
    if (known) this.#changes.known(row);
    else this.#changes.changed(row);
  }

  forget(key: SubjectKey): void {
    const row = this.#table.find(key);
    if (row !== -1) this.#remove(row);
  }

  forgetWhere(test: (key: SubjectKey) => boolean): void {
    const key = newKey();
    for (let row = 0; row < this.#table.end; row++) {
      if (this.#table.has(row) && test(this.#table.readKey(row, key))) this.#remove(row);
    }
  }

  hasLength(length: number): boolean {
    return this.#table.hasLength(length);
  }

  /** Forgets what no ban can be a return from any more, and goes on there the next time. @param effort as for windows */
  sweep(nowMs: number, effort: number, forgetMsOf: (lane: number) => number): void {
    for (let left = effort, looked = 0; left > 0 && looked < this.#table.end; left--, looked++) {
      if (this.#sweepHand >= this.#table.end) this.#sweepHand = 0;
      const row = this.#sweepHand++;
      if (!this.#table.has(row) || nowMs - this.#endedMs.get(row) <= forgetMsOf(this.#table.laneAt(row))) continue;
      this.#remove(row);
      left -= removalEffort - 1;
    }
  }

  /** Every entry that changed since the last call; undefined: it is gone. */
  takeChanges(hand: (key: SubjectKey, past: Past | undefined) => void): void {
    this.#changes.take((key, row) => hand(key, row === -1 ? undefined : this.#read(row)));
  }

  forEach(hand: (key: SubjectKey, past: Past) => void): void {
    const key = newKey();
    for (let row = 0; row < this.#table.end; row++) if (this.#table.has(row)) hand(this.#table.readKey(row, key), this.#read(row));
  }

  #read(row: number): Past {
    return { count: this.#count.get(row), endedMs: this.#endedMs.get(row) };
  }

  #remove(row: number): void {
    this.#changes.gone(row);
    this.#table.remove(row);
  }

  /** Of the next few entries the one that ended the longest ago goes: nearly the oldest of all, at the cost of a few look-ups. */
  #evict(): void {
    let oldest = -1;
    for (let looked = 0, seen = 0; seen < evictionSample && looked < this.#table.end; looked++) {
      if (this.#evictHand >= this.#table.end) this.#evictHand = 0;
      const row = this.#evictHand++;
      if (!this.#table.has(row)) continue;
      seen++;
      if (oldest === -1 || this.#endedMs.get(row) < this.#endedMs.get(oldest)) oldest = row;
    }
    if (oldest === -1) return;
    this.#evicted++;
    this.#remove(oldest);
  }
}

const evictionSample = 16;
const maxCount = 0xffffffff;
