import { layout } from './scan-kernel.ts';
import { type Needle, shortestNeedle } from './needles.ts';

const bucketCount = 8;
const windowBytes = shortestNeedle;

/**
 * Fills in what the kernel looks things up in.
 *
 * Needles whose windows are alike share a bucket, because a bucket takes every combination of its windows' half bytes for one of its own.
 *
 * @param memory the kernel's, from address 0 on
 * @throws {RangeError} if the needles do not fit
 */
export function writeTables(memory: Buffer, needles: readonly Needle[]): void {
  memory.fill(0, layout.tables, layout.input);
  const buckets = bucketsOf(needles.map((needle, number) => ({ needle, number, offset: windowOf(needle) })));
  let at: number = layout.needles;
  for (const [index, bucket] of buckets.entries()) {
    memory.writeUInt32LE(at, layout.buckets + 4 * index);
    for (const windowed of bucket) {
      at = writeNeedle(memory, at, windowed);
      for (const [place, values] of windowValues(windowed).entries()) {
        for (const value of values) {
          const low = layout.tables + 32 * place + (value & 0x0f);
          const high = layout.tables + 32 * place + 16 + (value >> 4);
          memory[low] = (memory[low] ?? 0) | (1 << index);
          memory[high] = (memory[high] ?? 0) | (1 << index);
        }
      }
    }
    at += headBytes; // the list's end, all zero
    if (at > layout.input) throw new RangeError('more needles than the kernel has room for');
  }
}

/** Of a needle's entry. */
const headBytes = 12;

function writeNeedle(memory: Buffer, at: number, { needle: { bytes, fold }, number, offset }: Windowed): number {
  const next = at + headBytes + 2 * bytes.length;
  if (next > layout.input - headBytes) throw new RangeError('more needles than the kernel has room for');
  memory.writeUInt32LE(offset, at);
  memory.writeUInt32LE(bytes.length, at + 4);
  memory.writeUInt32LE(number, at + 8);
  memory.set(bytes, at + headBytes);
  for (const [index, byte] of bytes.entries()) memory[at + headBytes + bytes.length + index] = fold && isLower(byte) ? caseBit : 0;
  return next;
}

interface Windowed {
  readonly needle: Needle;
  readonly number: number;
  /** Where in the needle its window begins. */
  readonly offset: number;
}

/** The bytes that may stand at each place of the window. */
function windowValues({ needle: { bytes, fold }, offset }: Windowed): readonly (readonly number[])[] {
  return [...bytes.subarray(offset, offset + windowBytes)].map((byte) => (fold && isLower(byte) ? [byte, byte ^ caseBit] : [byte]));
}

/** The three bytes in a row that are rarest in a log, together. */
function windowOf({ bytes }: Needle): number {
  let best = 0;
  let least = Infinity;
  for (let offset = 0; offset + windowBytes <= bytes.length; offset += 1) {
    const common = [...bytes.subarray(offset, offset + windowBytes)].reduce((product, byte) => product * commonness(byte), 1);
    if (common < least) [best, least] = [offset, common];
  }
  return best;
}

/**
 * Roughly how many of a thousand bytes of a mail log are this one; from the logs of a private Postfix. It only has to tell rare from common.
 */
function commonness(byte: number): number {
  return commonBytes.get(byte) ?? 2;
}

const commonBytes: ReadonlyMap<number, number> = new Map(
  Object.entries({
    ' ': 75,
    e: 55,
    t: 50,
    '1': 45,
    '0': 40,
    '2': 40,
    o: 38,
    i: 35,
    a: 32,
    m: 32,
    s: 32,
    n: 30,
    '.': 30,
    d: 28,
    c: 28,
    r: 28,
    p: 28,
    ':': 28,
    l: 25,
    '3': 25,
    '=': 18,
    '5': 20,
    '4': 20,
    x: 18,
    f: 16,
    u: 14,
    '7': 14,
    '9': 14,
    '6': 14,
    '8': 14,
    '[': 14,
    ']': 14,
    '<': 12,
    '>': 12,
    v: 10,
    h: 10,
    ',': 10,
    g: 8,
    '/': 9,
    '@': 8,
    b: 8,
    w: 5,
    q: 5,
    y: 4,
    k: 4,
    '-': 6,
    N: 5,
    E: 6,
    T: 4,
    P: 4,
    '(': 3,
    ')': 3,
    j: 3,
    ';': 3,
  }).map(([char, count]) => [char.charCodeAt(0), count]),
);

/** Half bytes that are taken, at each place of the window: 16 bits for the low ones, above them 16 for the high ones. */
type Halves = readonly number[];

interface Bucket {
  readonly members: Windowed[];
  halves: Halves;
  density: number;
}

/** One after the other, each into the bucket that it makes the least worse. */
function bucketsOf(windowed: readonly Windowed[]): readonly (readonly Windowed[])[] {
  const buckets = Array.from({ length: bucketCount }, (): Bucket => ({ members: [], halves: [], density: 0 }));
  for (const each of windowed) {
    const own = windowValues(each).map((values) =>
      values.reduce((taken, value) => taken | (1 << (value & 0x0f)) | (1 << (16 + (value >> 4))), 0),
    );
    const joined = buckets.map((bucket) => {
      const halves = own.map((taken, place) => taken | (bucket.halves[place] ?? 0));
      return { bucket, halves, density: density(halves) };
    });
    const { bucket, ...changed } = joined.reduce((best, other) => (worse(other) < worse(best) ? other : best));
    bucket.members.push(each);
    Object.assign(bucket, changed);
  }
  return buckets.map(({ members }) => members);
}

function worse({ bucket, density: after }: { readonly bucket: Bucket; readonly density: number }): number {
  return after - bucket.density;
}

/** How often such a bucket would be a candidate: how common the bytes are that have these half bytes. */
function density(halves: Halves): number {
  let product = 1;
  for (const taken of halves) {
    let common = 0;
    for (let high = 0; high < 16; high += 1) {
      if ((taken & (1 << (16 + high))) === 0) continue;
      for (let low = 0; low < 16; low += 1) if ((taken & (1 << low)) !== 0) common += commonness((high << 4) | low);
    }
    product *= common;
  }
  return product;
}

const caseBit = 0x20;

function isLower(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}
