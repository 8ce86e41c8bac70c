import type { FrameBatch } from './framer.ts';
import { createPartialFrame } from './partial-frame.ts';

/** What a push gave. */
export interface JournalFramed {
  /** Whole entries, in order, each with its final blank line. They keep the pushed chunk alive. */
  readonly batches: readonly FrameBatch[];
  /** How many entries were longer than maxEntryBytes: left out. */
  readonly oversize: number;
  /** No such field can be: where the next entry begins cannot be known any more. */
  readonly broken: boolean;
}

/** Where in an entry the bytes seen so far end. */
type Place =
  /** At the first byte of a field or of the blank line that ends the entry. */
  | 'field'
  /** In a name, which `=` or LF ends. */
  | 'name'
  /** In a value that is text, which LF ends. */
  | 'text'
  /** In the eight bytes that give the length of a value that is not text. */
  | 'length'
  /** In such a value, or at the LF behind it. */
  | 'data';

const lineFeed = 0x0a;
const equals = 0x3d;
const blankLine = Buffer.from('\n\n');
const lengthBytes = 8;
/** journald takes no field near this size. */
const mostDataBytes = 2 ** 40;

/**
 * Splits the output of `journalctl --output=export` into entries: `NAME=text` LF for each field, or `NAME` LF, the length as 64 bits, little
 * endian, the bytes, LF, where they are not printable text or hold an LF; a blank line ends the entry.
 *
 * Text holds neither LF nor NUL, and each length has a NUL, so entries without a NUL end at the first blank line and are not walked through.
 *
 * @param maxEntryBytes an entry beyond it is passed over: at most so much is held
 * @see https://systemd.io/JOURNAL_EXPORT_FORMATS/, "Journal Export Format"
 */
export function createJournalFramer({ maxEntryBytes }: { readonly maxEntryBytes: number }): {
  readonly push: (chunk: Buffer) => JournalFramed;
} {
  const partial = createPartialFrame(maxEntryBytes);
  let place: Place = 'field';
  /** Whether the entry has begun. */
  let begun = false;
  /** What of the value, and of its LF, is still to come; in `length` of its eight bytes. */
  let missing = 0;
  let length = 0;
  let skipping = false;
  let broken = false;

  /** Goes on in the entry whose bytes before `at` were seen. @returns the offset behind it, or -1 if it does not end in these bytes */
  function walk(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0;
      switch (place) {
        case 'field':
          at += 1;
          if (byte === lineFeed) return at;
          place = 'name';
          break;
        case 'name':
          at += 1;
          if (byte === equals) place = 'text';
          if (byte === lineFeed) {
            place = 'length';
            missing = lengthBytes;
            length = 0;
          }
          break;
        case 'text': {
          const end = bytes.indexOf(lineFeed, at);
          if (end === -1) return -1;
          at = end + 1;
          place = 'field';
          break;
        }
        case 'length':
          at += 1;
          length += byte * 256 ** (lengthBytes - missing);
          missing -= 1;
          if (missing > 0) break;
          if (length > mostDataBytes) {
            broken = true;
            return -1;
          }
          missing = length + 1;
          place = 'data';
          break;
        case 'data': {
          const taken = Math.min(missing, bytes.length - at);
          at += taken;
          missing -= taken;
          if (missing > 0) break;
          if (bytes[at - 1] !== lineFeed) {
            broken = true;
            return -1;
          }
          place = 'field';
          break;
        }
      }
    }
    return -1;
  }

  /** The end of the entry that begins at `at`, if no length can stand in it or just behind it; else -1. */
  function endOfPlain(bytes: Buffer, at: number, nul: number): number {
    const blank = bytes.indexOf(blankLine, at);
    // A blank line of the name of a field and a length that begins with the byte of an LF has a NUL soon behind it.
    return blank === -1 || blank + 2 + lengthBytes > (nul === -1 ? bytes.length : nul) ? -1 : blank + 2;
  }

  function push(chunk: Buffer): JournalFramed {
    const batches: FrameBatch[] = [];
    const spans: number[] = [];
    let oversize = 0;
    let nul = chunk.indexOf(0);
    for (let at = 0; at < chunk.length && !broken; ) {
      if (nul !== -1 && nul < at) nul = chunk.indexOf(0, at);
      const plainEnd = begun || chunk[at] === lineFeed ? -1 : endOfPlain(chunk, at, nul);
      const end = plainEnd === -1 ? walk(chunk, at) : plainEnd;
      const stop = end === -1 ? chunk.length : end;
      const held = partial.length();
      if (!skipping && held + stop - at > maxEntryBytes) {
        skipping = true;
        oversize += 1;
        partial.take();
      }
      if (!skipping && (begun || end === -1)) partial.append(chunk, at, stop);
      // A blank line alone ends nothing.
      else if (!skipping && end - at > 1) spans.push(at, end);
      begun = end === -1;
      if (end !== -1) {
        if (partial.length() > 0) {
          const bytes = partial.take();
          batches.push({ bytes, spans: [0, bytes.length] });
        }
        skipping = false;
      }
      at = stop;
    }
    if (spans.length > 0) batches.push({ bytes: chunk, spans });
    return { batches, oversize, broken };
  }

  return { push };
}
