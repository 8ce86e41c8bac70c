import type { Prefix } from '../model/address.ts';
import { ownText } from '../model/own-text.ts';

/** One line that counted against a subject. The text is as it came: whoever shows it escapes it. */
export interface EvidenceLine {
  /** The record's time, ms since the epoch. */
  readonly atMs: number;
  readonly source: string;
  readonly filter: string;
  readonly pattern: string;
  readonly line: string;
  /** The jails in which it counted. */
  readonly jails: readonly string[];
}

/** Lines kept for a subject. */
const linesPerSubject = 5;
/** The first so many bytes of a line, in UTF-8. */
export const evidenceLineBytes = 512;
/** What a line and a subject cost beyond their text, roughly: objects, array, entry of the map. */
const lineOverheadBytes = 120;
const subjectOverheadBytes = 160;

/**
 * The last lines that counted against each subject, for `explain`: 5 lines of 512 bytes. At the bound the subject goes that got no
 * line for the longest time.
 */
export class Evidence {
  readonly #limitBytes: number;
  readonly #subjects = new Map<Prefix, Held>();
  /**
   * Of the subjects in the order of their last line, linked by hand: a Map would have to forget and take up an entry for each line, and to find its
   * oldest it passes over all that were deleted.
   */
  #oldest: Held | undefined;
  #newest: Held | undefined;
  readonly #scratch = new Uint8Array(evidenceLineBytes);
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #bytes = 0;
  #evicted = 0;

  /** @param limitBytes bytes in all, with an estimate of what the bookkeeping costs */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Subjects forgotten for want of room, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  add(subject: Prefix, { atMs, source, filter, pattern, line: whole, jails }: EvidenceLine): void {
    const held = this.#subjects.get(subject) ?? this.#begin(subject);
    if (held !== this.#newest) {
      this.#unlink(held);
      this.#append(held);
    }
    const before = held.bytes;
    const line = this.#copy(whole);
    const size = lineOverheadBytes + (oneByteEach.test(line) ? line.length : 2 * line.length);
    held.lines.push({ atMs, source, filter, pattern, line, jails });
    held.sizes.push(size);
    held.bytes += size;
    if (held.lines.length > linesPerSubject) {
      held.lines.shift();
      held.bytes -= held.sizes.shift() ?? 0;
    }
    this.#bytes += held.bytes - before;
    while (this.#bytes > this.#limitBytes) this.#evict();
  }

  /** Oldest first. */
  of(subject: Prefix): readonly EvidenceLine[] {
    return this.#subjects.get(subject)?.lines ?? [];
  }

  #begin(subject: Prefix): Held {
    const held: Held = { subject, bytes: subjectOverheadBytes, lines: [], sizes: [], older: undefined, newer: undefined };
    this.#subjects.set(subject, held);
    this.#bytes += held.bytes;
    this.#append(held);
    return held;
  }

  #evict(): void {
    const oldest = this.#oldest;
    if (oldest === undefined) return;
    this.#subjects.delete(oldest.subject);
    this.#unlink(oldest);
    this.#bytes -= oldest.bytes;
    this.#evicted++;
  }

  #append(held: Held): void {
    held.older = this.#newest;
    held.newer = undefined;
    if (this.#newest === undefined) this.#oldest = held;
    else this.#newest.newer = held;
    this.#newest = held;
  }

  #unlink({ older, newer }: Held): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }

  /** A copy: a slice of the line would keep the line, and the chunk it was read in, alive. */
  #copy(text: string): string {
    const first = text.slice(0, evidenceLineBytes);
    if (ascii.test(first)) return ownText(first);
    const { written } = this.#encoder.encodeInto(text, this.#scratch);
    return this.#decoder.decode(this.#scratch.subarray(0, written));
  }
}

interface Held {
  readonly subject: Prefix;
  bytes: number;
  readonly lines: EvidenceLine[];
  /** Of the lines, bytes with their overhead. */
  readonly sizes: number[];
  /** Neighbours in the order of their last line. */
  older: Held | undefined;
  newer: Held | undefined;
}

const ascii = /^[\u0000-\u007f]*$/;
/** V8 keeps a text with any character beyond these in two bytes each. */
const oneByteEach = /^[\u0000-\u00ff]*$/;
