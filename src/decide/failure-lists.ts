import { FloatColumn, WordColumn } from './columns.ts';

/** A place in the lists: of a cell, or 0 for the end of a list. */
export type Cell = number;

/**
 * Lists of failures, the newest first, in columns: 16 bytes a failure. Failures with the same stamp share a cell and add their weights:
 * stamps in whole seconds make a flood cheap. Cells come back into use after they were freed.
 */
export class FailureLists {
  readonly #atMs = new FloatColumn();
  readonly #weight = new WordColumn();
  readonly #next = new WordColumn();
  #end = 1;
  #free: Cell = 0;
  #used = 0;

  get used(): number {
    return this.#used;
  }

  atMs(cell: Cell): number {
    return this.#atMs.get(cell);
  }

  weight(cell: Cell): number {
    return this.#weight.get(cell);
  }

  next(cell: Cell): Cell {
    return this.#next.get(cell);
  }

  /**
   * Puts a failure where it belongs in time.
   * @param head 0: a new list
   * @param maxWeight what one cell may weigh
   * @returns the head of the list now
   */
  insert(head: Cell, { atMs, weight, maxWeight }: { readonly atMs: number; readonly weight: number; readonly maxWeight: number }): Cell {
    let before: Cell = 0;
    let cell = head;
    while (cell !== 0 && this.atMs(cell) > atMs) {
      before = cell;
      cell = this.next(cell);
    }
    if (cell !== 0 && this.atMs(cell) === atMs) {
      this.#weight.set(cell, Math.min(maxWeight, this.weight(cell) + weight));
      return head;
    }
    const made = this.#take();
    this.#atMs.set(made, atMs);
    this.#weight.set(made, Math.min(maxWeight, weight));
    this.#next.set(made, cell);
    if (before === 0) return made;
    this.#next.set(before, made);
    return head;
  }

  /** The weight of all failures f with 0 <= atMs - f < withinMs. */
  count(head: Cell, atMs: number, withinMs: number): number {
    let cell = head;
    while (cell !== 0 && this.atMs(cell) > atMs) cell = this.next(cell);
    let total = 0;
    for (; cell !== 0 && atMs - this.atMs(cell) < withinMs; cell = this.next(cell)) total += this.weight(cell);
    return total;
  }

  /** Frees every failure of which newer ones weigh `enough` already. */
  trim(head: Cell, enough: number): void {
    let total = 0;
    for (let cell = head; cell !== 0; cell = this.next(cell)) {
      total += this.weight(cell);
      if (total < enough) continue;
      const rest = this.next(cell);
      this.#next.set(cell, 0);
      this.free(rest);
      return;
    }
  }

  free(head: Cell): void {
    let cell = head;
    while (cell !== 0) {
      const next = this.next(cell);
      this.#next.set(cell, this.#free);
      this.#free = cell;
      this.#used--;
      cell = next;
    }
  }

  /** Oldest first, each time as often as it weighs. */
  read(head: Cell): number[] {
    const times: number[] = [];
    for (let cell = head; cell !== 0; cell = this.next(cell)) {
      for (let count = this.weight(cell); count > 0; count--) times.push(this.atMs(cell));
    }
    return times.toReversed();
  }

  #take(): Cell {
    this.#used++;
    const cell = this.#free;
    if (cell === 0) return this.#end++;
    this.#free = this.next(cell);
    return cell;
  }
}
