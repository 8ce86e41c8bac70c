/** How long to wait before each attempt after the first: doubled every time, from `firstMs` to at most `longestMs`. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #attempts = 0;

  constructor({ firstMs, longestMs }: { readonly firstMs: number; readonly longestMs: number }) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** Attempts that failed since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  nextMs(): number {
    return Math.min(this.#longestMs, this.#firstMs * 2 ** this.#attempts++);
  }

  succeeded(): void {
    this.#attempts = 0;
  }
}
