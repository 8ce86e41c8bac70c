/**
 * Columns of numbers that grow in pieces: growing copies nothing, so it does not stop the loop, and memory that was never written is
 * not resident. Rows that were never written read as 0.
 */
const pieceBits = 13;
const pieceRows = 1 << pieceBits;
const rowMask = pieceRows - 1;

/** `width` 32-bit words a row. */
export class WordColumn {
  readonly #pieces: Uint32Array[] = [];
  readonly #width: number;
  constructor(width = 1) {
    this.#width = width;
  }

  get(row: number, word = 0): number {
    return this.#pieces[row >>> pieceBits]?.[(row & rowMask) * this.#width + word] ?? 0;
  }

  set(row: number, value: number, word = 0): void {
    const piece = row >>> pieceBits;
    while (this.#pieces.length <= piece) this.#pieces.push(new Uint32Array(pieceRows * this.#width));
    const words = this.#pieces[piece];
    if (words !== undefined) words[(row & rowMask) * this.#width + word] = value;
  }
}

/** One 64-bit float a row: times in ms since the epoch, with fractions. */
export class FloatColumn {
  readonly #pieces: Float64Array[] = [];

  get(row: number): number {
    return this.#pieces[row >>> pieceBits]?.[row & rowMask] ?? 0;
  }

  set(row: number, value: number): void {
    const piece = row >>> pieceBits;
    while (this.#pieces.length <= piece) this.#pieces.push(new Float64Array(pieceRows));
    const floats = this.#pieces[piece];
    if (floats !== undefined) floats[row & rowMask] = value;
  }
}
