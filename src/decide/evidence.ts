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
  /** In the order of their last line. */
  readonly #subjects = new Map<Prefix, Held>();
  /**
   * Stands on the oldest: whatever it has passed is gone or went to the end. It lives on from one eviction to the next, because a new one
   * would step over every entry that was ever deleted at the front.
   */
  #oldest = this.#subjects.entries();
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
    const known = this.#subjects.get(subject);
    if (known !== undefined) this.#subjects.delete(subject);
    const held = known ?? { bytes: subjectOverheadBytes, lines: [], sizes: [] };
    const before = known?.bytes ?? 0;
    const line = this.#copy(whole);
    const size = lineOverheadBytes + (oneByteEach.test(line) ? line.length : 2 * line.length);
    held.lines.push({ atMs, source, filter, pattern, line, jails });
    held.sizes.push(size);
    held.bytes += size;
    if (held.lines.length > linesPerSubject) {
      held.lines.shift();
      held.bytes -= held.sizes.shift() ?? 0;
    }
    this.#subjects.set(subject, held);
    this.#bytes += held.bytes - before;
    while (this.#bytes > this.#limitBytes) this.#evict();
  }

  /** Oldest first. */
  of(subject: Prefix): readonly EvidenceLine[] {
    return this.#subjects.get(subject)?.lines ?? [];
  }

  #evict(): void {
    const { value } = this.#oldest.next();
    if (value === undefined) {
      this.#oldest = this.#subjects.entries();
      return;
    }
    const [subject, { bytes }] = value;
    this.#subjects.delete(subject);
    this.#bytes -= bytes;
    this.#evicted++;
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
  bytes: number;
  readonly lines: EvidenceLine[];
  /** Of the lines, bytes with their overhead. */
  readonly sizes: number[];
}

const ascii = /^[\u0000-\u007f]*$/;
/** V8 keeps a text with any character beyond these in two bytes each. */
const oneByteEach = /^[\u0000-\u00ff]*$/;
