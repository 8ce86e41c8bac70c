import type { Prefix } from '../model/address.ts';

/** One line that counted against a subject. The text is as it came: whoever shows it escapes it. */
export interface EvidenceLine extends Occasion {
  /** The record's time, ms since the epoch. */
  readonly atMs: number;
  readonly line: string;
}

/** What lines have in common: names from the configuration, so that there are few. */
interface Occasion {
  readonly source: string;
  readonly filter: string;
  readonly pattern: string;
  /** The jails in which it counted. */
  readonly jails: readonly string[];
}

/** Lines shown of a subject. */
const linesPerSubject = 5;
/** The first so many bytes of a line, in UTF-8. */
export const evidenceLineBytes = 512;
/** The first part of an entry: where the subject's line before this one stands, atMs, the occasion, the lengths of subject and line. */
const headBytes = 24;
const longestSubject = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128'.length;
const longestEntry = headBytes + longestSubject + evidenceLineBytes;
/** What the index keeps of a subject, roughly: its text and an entry of a Map. */
const subjectBytes = 100;
/** Of the limit, the lines; the rest is for the index. */
const shareOfLines = 3 / 4;
/** To forget one takes less than half a ms. */
const mostPieceBytes = 256 * 1024;
const none = -1;
/** Of one pattern there may be as many as its jails have subsets; beyond so many all lines are forgotten, and they are numbered anew. Some 3 MB. */
const mostOccasions = 10_000;

/** Entries one behind the other, from the beginning; forgotten as a whole. */
interface Piece {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Counted through: the piece with the number n lies at the place n modulo their count. */
  number: number;
  end: number;
  entries: number;
}

/**
 * The last lines that counted against each subject, for `explain`: 5 lines of 512 bytes. At the bound the oldest lines go.
 *
 * They are bytes in a few large buffers: as objects they cost three times the memory, and a collector that copies all of them twice.
 */
export class Evidence {
  readonly #pieceBytes: number;
  readonly #pieces: Piece[] = [];
  readonly #mostPieces: number;
  /** Where each subject's last line begins: the number of its piece times the size of one, and the place in it. */
  readonly #last = new Map<Prefix, number>();
  readonly #occasions: Occasion[] = [];
  readonly #numbers = new Map<string, number>();
  /** Mostly that of the next line, too. */
  #lastNumber = -1;
  #current: Piece;
  #evicted = 0;

  /** @param limitBytes bytes in all, with an estimate of what the index costs; at least 8 KiB */
  constructor(limitBytes: number) {
    const bytes = Math.floor(limitBytes * shareOfLines);
    this.#pieceBytes = Math.max(longestEntry, Math.min(mostPieceBytes, Math.floor(bytes / 8)));
    this.#mostPieces = Math.max(2, Math.floor(bytes / this.#pieceBytes));
    this.#current = this.#add(0);
  }

  get bytes(): number {
    return this.#pieces.length * this.#pieceBytes + this.#last.size * subjectBytes;
  }

  /** Lines forgotten for want of room, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  add(subject: Prefix, evidence: EvidenceLine): void {
    const number = this.#numberOf(evidence);
    if (this.#current.end + longestEntry > this.#pieceBytes) this.#current = this.#next();
    const piece = this.#current;
    const { bytes, view, end: start } = piece;
    view.setFloat64(start, this.#last.get(subject) ?? none);
    view.setFloat64(start + 8, evidence.atMs);
    view.setUint32(start + 16, number);
    const subjectLength = bytes.write(subject, start + headBytes, 'latin1');
    // Never a part of a character.
    const lineLength = bytes.write(firstPart(evidence.line), start + headBytes + subjectLength, evidenceLineBytes, 'utf8');
    view.setUint16(start + 20, subjectLength);
    view.setUint16(start + 22, lineLength);
    piece.end += headBytes + subjectLength + lineLength;
    piece.entries++;
    this.#last.set(subject, piece.number * this.#pieceBytes + start);
  }

  /** Oldest first. */
  of(subject: Prefix): readonly EvidenceLine[] {
    const lines: EvidenceLine[] = [];
    for (let at = this.#last.get(subject) ?? none; at !== none && lines.length < linesPerSubject; ) {
      const number = Math.floor(at / this.#pieceBytes);
      const piece = this.#pieces[number % this.#mostPieces];
      // That piece has been used again.
      if (piece?.number !== number) break;
      const start = at % this.#pieceBytes;
      const { view, bytes } = piece;
      const occasion = this.#occasions[view.getUint32(start + 16)];
      if (occasion === undefined) break;
      const text = start + headBytes + view.getUint16(start + 20);
      lines.push({ atMs: view.getFloat64(start + 8), ...occasion, line: bytes.toString('utf8', text, text + view.getUint16(start + 22)) });
      at = view.getFloat64(start);
    }
    return lines.toReversed();
  }

  #add(number: number): Piece {
    const bytes = Buffer.alloc(this.#pieceBytes);
    const piece = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), number, end: 0, entries: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  /** A new piece, or in place of one the oldest. */
  #next(): Piece {
    const number = this.#current.number + 1;
    const oldest = this.#pieces[number % this.#mostPieces];
    if (oldest === undefined) return this.#add(number);
    this.#forget(oldest);
    oldest.number = number;
    oldest.end = 0;
    oldest.entries = 0;
    return oldest;
  }

  /** Subjects whose last line is there are not known any more. */
  #forget({ bytes, view, number, end, entries }: Piece): void {
    for (let start = 0; start < end; ) {
      const text = start + headBytes;
      const subjectLength = view.getUint16(start + 20);
      const subject = bytes.toString('latin1', text, text + subjectLength) as Prefix;
      if (this.#last.get(subject) === number * this.#pieceBytes + start) this.#last.delete(subject);
      start = text + subjectLength + view.getUint16(start + 22);
    }
    this.#evicted += entries;
  }

  #forgetAll(): void {
    for (const piece of this.#pieces) {
      this.#evicted += piece.entries;
      piece.end = 0;
      piece.entries = 0;
    }
    this.#last.clear();
    this.#occasions.length = 0;
    this.#numbers.clear();
  }

  #numberOf({ source, filter, pattern, jails }: Occasion): number {
    const last = this.#occasions[this.#lastNumber];
    if (last?.pattern === pattern && last.filter === filter && last.source === source && areEqual(last.jails, jails))
      return this.#lastNumber;
    const key = `${source}\n${filter}\n${pattern}\n${jails.join('\n')}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      if (this.#numbers.size === mostOccasions) this.#forgetAll();
      number = this.#occasions.push({ source, filter, pattern, jails: [...jails] }) - 1;
      this.#numbers.set(key, number);
    }
    this.#lastNumber = number;
    return number;
  }
}

/** A character is a byte at least. */
function firstPart(line: string): string {
  return line.length <= evidenceLineBytes ? line : line.slice(0, evidenceLineBytes);
}

function areEqual(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && names.every((name, index) => name === others[index]);
}
