import { WordColumn } from './columns.ts';
import { type HashSeed, hashKey, keyWords } from './half-sip-hash.ts';
import { laneOf, lengthOf, newKey, type SubjectKey } from './subject-key.ts';

/**
 * Numbers the subjects that a table knows: (lane, subject) -> row. What is known of a subject stands in columns under its row.
 *
 * A Map from text costs 213 bytes an entry and stops the loop for 50 ms when it grows; this costs 20 bytes for the key and 5 to 11 for
 * the index. The index is cut into 256 segments, each open addressing with linear probing, each growing alone: at a million subjects
 * the longest stop is one segment's, some 4,000 subjects. Rows come back into use after `remove`; memory is not given back.
 */
export class KeyTable {
  readonly #seed: HashSeed;
  readonly #keys = new WordColumn(keyWords);
  /** Slot: row + 1 in the low 24 bits, 8 bits of the hash above them; 0 is free. */
  readonly #segments: Uint32Array[] = Array.from({ length: segmentCount }, () => new Uint32Array(firstSlots));
  readonly #used = new Uint32Array(segmentCount);
  /** Rows of each mapped prefix length, so that a search by address tries only lengths that occur. */
  readonly #lengths = new Uint32Array(129);
  readonly #lanes: number[] = [];
  readonly #scratch = newKey();
  #size = 0;
  #end = 0;
  /** First of the free rows, which are chained through the first word of their keys; -1: none. */
  #free = -1;

  constructor(seed: HashSeed) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** One more than the highest row in use. */
  get end(): number {
    return this.#end;
  }

  /** Rows of one lane. */
  sizeOf(lane: number): number {
    return this.#lanes[lane] ?? 0;
  }

  /** Whether any subject has this mapped prefix length. */
  hasLength(length: number): boolean {
    return (this.#lengths[length] ?? 0) > 0;
  }

  /** Room for so many more, so that the index need not grow for each piece of them. */
  reserve(rows: number): void {
    const wanted = Math.ceil((rows * roomFor) / segmentCount);
    for (const [segment, slots] of this.#segments.entries())
      if (this.#used[segment] === 0 && slots.length < wanted) this.#segments[segment] = new Uint32Array(2 ** Math.ceil(Math.log2(wanted)));
  }

  /** For whoever asks more than once about a key. */
  hashOf(key: SubjectKey): number {
    return hashKey(key, this.#seed);
  }

  /** @returns the row, or -1. */
  find(key: SubjectKey, known?: number): number {
    if (this.#size === 0) return -1; // nobody has been banned before, say
    const hash = known ?? hashKey(key, this.#seed);
    const slots = this.#segmentOf(hash);
    const mask = slots.length - 1;
    const tag = tagOf(hash);
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] ?? 0;
      if (slot === 0) return -1;
      if (slot >>> rowBits === tag && this.#holds((slot & rowMask) - 1, key)) return (slot & rowMask) - 1;
    }
  }

  /** Gives the key a row. It must not have one. Columns under the row still hold what stood there before. */
  add(key: SubjectKey, hash = hashKey(key, this.#seed)): number {
    if (this.#size === maxRows) throw new RangeError(`a table holds at most ${maxRows} subjects`);
    let row = this.#free;
    if (row === -1) row = this.#end++;
    else this.#free = this.#keys.get(row) - 1;
    for (let word = 0; word < keyWords; word++) this.#keys.set(row, key[word] ?? 0, word);
    const segment = hash >>> segmentShift;
    const used = (this.#used[segment] ?? 0) + 1;
    this.#used[segment] = used;
    if (used * 4 > this.#segmentOf(hash).length * 3) this.#grow(segment);
    place(this.#segmentOf(hash), hash, row);
    this.#count(key, 1);
    return row;
  }

  remove(row: number): void {
    const key = this.readKey(row, this.#scratch);
    const hash = hashKey(key, this.#seed);
    const slots = this.#segmentOf(hash);
    const mask = slots.length - 1;
    let hole = hash & mask;
    while (((slots[hole] ?? 0) & rowMask) !== row + 1) hole = (hole + 1) & mask;
    this.#count(key, -1);
    // No tombstones: what was pushed on by the removed one moves back, so that a table under a flood does not fill with marks.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] ?? 0;
      if (slot === 0) break;
      const home = hashKey(this.readKey((slot & rowMask) - 1, this.#scratch), this.#seed) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = slot;
      hole = at;
    }
    slots[hole] = 0;
    const segment = hash >>> segmentShift;
    this.#used[segment] = (this.#used[segment] ?? 0) - 1;
    this.#keys.set(row, this.#free + 1);
    this.#keys.set(row, freeRow, keyWords - 1);
    this.#free = row;
  }

  /** Whether the row holds a subject. */
  has(row: number): boolean {
    return row < this.#end && this.#keys.get(row, keyWords - 1) !== freeRow;
  }

  laneAt(row: number): number {
    return this.#keys.get(row, keyWords - 1) >>> 8;
  }

  /** Copies the row's key. @returns `out` */
  readKey(row: number, out: SubjectKey): SubjectKey {
    for (let word = 0; word < keyWords; word++) out[word] = this.#keys.get(row, word);
    return out;
  }

  #holds(row: number, key: SubjectKey): boolean {
    for (let word = 0; word < keyWords; word++) if (this.#keys.get(row, word) !== key[word]) return false;
    return true;
  }

  #segmentOf(hash: number): Uint32Array {
    return this.#segments[hash >>> segmentShift] ?? emptySegment;
  }

  #grow(segment: number): void {
    const old = this.#segments[segment] ?? emptySegment;
    const slots = new Uint32Array(old.length * 2);
    for (const slot of old) {
      if (slot === 0) continue;
      const row = (slot & rowMask) - 1;
      place(slots, hashKey(this.readKey(row, this.#scratch), this.#seed), row);
    }
    this.#segments[segment] = slots;
  }

  #count(key: SubjectKey, change: 1 | -1): void {
    const length = lengthOf(key);
    this.#size += change;
    this.#lengths[length] = (this.#lengths[length] ?? 0) + change;
    const lane = laneOf(key);
    this.#lanes[lane] = this.sizeOf(lane) + change;
  }
}

const segmentCount = 256;
const segmentShift = 24;
const firstSlots = 16;
/** Slots for each row: three quarters may be in use, and segments are not all equally full. */
const roomFor = 1.6;
const rowBits = 24;
const rowMask = (1 << rowBits) - 1;
const maxRows = rowMask - 1;
/** In place of lane and length: a lane that no jail has. */
const freeRow = 0xffffffff;
const emptySegment = new Uint32Array(1);

/** Bits that choose neither the segment nor, in a segment of up to 65,536 slots, the place in it. */
function tagOf(hash: number): number {
  return (hash >>> 16) & 0xff;
}

function place(slots: Uint32Array, hash: number, row: number): void {
  const mask = slots.length - 1;
  let at = hash & mask;
  while (slots[at] !== 0) at = (at + 1) & mask;
  slots[at] = ((tagOf(hash) << rowBits) | (row + 1)) >>> 0;
}
