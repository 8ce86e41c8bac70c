/** Something that ends. `heapIndex` belongs to the heap. */
export interface Due {
  readonly untilMs: number;
  heapIndex: number;
}

/** A binary heap by end: the one that ends first is found at once, any one is taken out in log n. Infinity is an end like others: the last. */
export class DueHeap<T extends Due> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The one that ends first. */
  first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    this.#put(this.#items.length, item);
    this.#rise(item.heapIndex);
  }

  remove(item: T): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#put(item.heapIndex, last);
    this.#rise(last.heapIndex);
    this.#sink(last.heapIndex);
  }

  #put(index: number, item: T): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #rise(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #sink(start: number): void {
    let index = start;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const earlier = this.#untilMs(right) < this.#untilMs(left) ? right : left;
      if (earlier >= this.#items.length || !this.#swapIfEarlier(earlier, index)) return;
      index = earlier;
    }
  }

  #untilMs(index: number): number {
    return this.#items[index]?.untilMs ?? Infinity;
  }

  #swapIfEarlier(lower: number, upper: number): boolean {
    const [below, above] = [this.#items[lower], this.#items[upper]];
    if (below === undefined || above === undefined || below.untilMs >= above.untilMs) return false;
    this.#put(upper, below);
    this.#put(lower, above);
    return true;
  }
}
