import { frameEnd, isFiller, maxCountDigits, type Opening, readOpening } from './opening.ts';
import { createPartialFrame } from './partial-frame.ts';

/** Frames that lie in one buffer: pairs of offsets into `bytes`, start inclusive, end exclusive. */
export interface FrameBatch {
  readonly bytes: Buffer;
  readonly spans: readonly number[];
}

/** What a push gave. */
export interface Framed {
  /** In order. They keep the pushed chunk alive. */
  readonly batches: readonly FrameBatch[];
  /** How many of the frames were longer than maxFrameBytes and lost their end. */
  readonly cut: number;
  /** Frames compressed by omfwd's ZipLevel, which are refused and passed over. */
  readonly compressed: number;
  /** The next frame cannot be found any more: close the connection. What was framed before it is in `batches`. */
  readonly violation: string | undefined;
}

/** The framing of one TCP connection. */
export interface Framer {
  readonly push: (chunk: Buffer) => Framed;
  /** The peer has ended the stream: a line without its LF is a frame, a counted frame that is not whole is a violation. */
  readonly end: () => Framed;
}

/**
 * `undecided`: too few bytes seen. `counted`: octet counting, RFC 6587 section 3.4.1. `delimited`: it began with `<`, and the first LF or NUL
 * makes it `lf` or `nul`, RFC 6587 section 3.4.2. `plain`: lines of text without PRI.
 */
type Mode = 'undecided' | 'counted' | 'delimited' | 'lf' | 'nul' | 'plain';

interface Output {
  readonly batches: FrameBatch[];
  readonly spans: number[];
  cut: number;
  compressed: number;
  violation: string | undefined;
}

/**
 * Splits a syslog TCP stream into frames. The framing is locked by the first bytes of the connection: `digits SP <` is octet counting; `<` is
 * LF or NUL, whichever comes first; anything else is lines of text.
 *
 * LF, CR and NUL at the end of a frame are not part of it, and empty frames are none. A frame longer than maxFrameBytes is cut, and what comes
 * behind it is not lost. At most one frame is held, and no byte is copied more than a few times, however small the chunks.
 *
 * Violations, after which everything is ignored: in a counted stream what is no count, or one of more than 7 digits; octet counting in a
 * stream of lines; in a stream of NUL frames one that does not begin with `<`, because then the NUL was one inside a line.
 *
 * @param maxFrameBytes largest frame accepted, in octets. Receivers should take 8192 (RFC 5425 section 4.3.1).
 */
export function createFramer({ maxFrameBytes }: { readonly maxFrameBytes: number }): Framer {
  let mode: Mode = 'undecided';
  /** The first bytes of a frame, too few to tell what it is. */
  let opening: Buffer | undefined;
  const partial = createPartialFrame(maxFrameBytes);
  /** Octets of a counted frame that are still to come and to be kept; then those to pass over, because they were cut or compressed. */
  let missing = 0;
  let skipped = 0;
  /** Inside a line that was cut: pass over all until its end. */
  let skipsLine = false;
  let dead = false;

  function push(chunk: Buffer): Framed {
    const out: Output = { batches: [], spans: [], cut: 0, compressed: 0, violation: undefined };
    if (dead) return finish(chunk, out);
    const bytes = opening === undefined ? chunk : Buffer.concat([opening, chunk]);
    opening = undefined;
    for (let at = 0; at < bytes.length; ) {
      if (missing > 0) at = continueCounted(bytes, at, out);
      else if (skipped > 0) {
        const passed = Math.min(skipped, bytes.length - at);
        skipped -= passed;
        at += passed;
      } else if (skipsLine || partial.length() > 0) at = continueLine(bytes, at, out);
      else at = begin(bytes, at, out);
    }
    return finish(bytes, out);
  }

  function end(): Framed {
    const out: Output = { batches: [], spans: [], cut: 0, compressed: 0, violation: undefined };
    const rest = opening ?? Buffer.alloc(0);
    if (dead) return finish(rest, out);
    if (mode === 'counted') {
      if (rest.length > 0 || missing > 0) out.violation = 'the stream ended inside a counted frame';
    } else {
      if (rest.length > 0) continueLine(rest, 0, out);
      emitPartial(out);
    }
    dead = true;
    return finish(rest, out);
  }

  /** At the first byte of a frame: only here can the framing be learnt, or be seen to be broken. @returns where to go on */
  function begin(bytes: Buffer, at: number, out: Output): number {
    const first = bytes[at] ?? 0;
    if (mode !== 'counted' && isFiller(first)) return at + 1;
    if (first === 0x3c && mode !== 'counted') {
      if (mode === 'undecided') mode = 'delimited';
      return continueLine(bytes, at, out);
    }
    if (mode === 'plain') return continueLine(bytes, at, out);
    if (mode === 'nul') return violate(bytes, out, 'a NUL inside a line, or a frame without PRI in a stream of NUL frames');

    const found = readOpening(bytes, at);
    if (found.kind === 'more') {
      opening = Buffer.from(bytes.subarray(at));
      return bytes.length;
    }
    if (mode === 'counted') return beginCounted(found, bytes, out);
    if (found.kind === 'count' && found.content !== 'other') {
      // A compressed frame says nothing of the framing: omfwd counts it among lines, too.
      if (found.content === 'message' && mode !== 'undecided') return violate(bytes, out, 'octet counting in a stream of lines');
      if (found.content === 'message') mode = 'counted';
      return beginCounted(found, bytes, out);
    }
    if (mode === 'undecided') mode = 'plain';
    return continueLine(bytes, at, out);
  }

  function beginCounted(found: Opening, bytes: Buffer, out: Output): number {
    if (found.kind !== 'count') return violate(bytes, out, 'no octet count where one must stand');
    if (Number.isNaN(found.count)) return violate(bytes, out, `an octet count of more than ${maxCountDigits} digits`);
    if (found.content === 'compressed') {
      out.compressed += 1;
      skipped = found.count;
      return found.textStart;
    }
    const kept = Math.min(found.count, maxFrameBytes);
    if (kept < found.count) out.cut += 1;
    skipped = found.count - kept;
    if (found.textStart + kept > bytes.length) {
      missing = kept;
      return continueCounted(bytes, found.textStart, out);
    }
    emit(bytes, found.textStart, found.textStart + kept, out);
    return found.textStart + kept;
  }

  function continueCounted(bytes: Buffer, at: number, out: Output): number {
    const taken = Math.min(missing, bytes.length - at);
    partial.append(bytes, at, at + taken);
    missing -= taken;
    if (missing === 0) emitPartial(out);
    return at + taken;
  }

  function continueLine(bytes: Buffer, at: number, out: Output): number {
    const found = delimiterFrom(bytes, at);
    const lineEnd = found === -1 ? bytes.length : found;
    if (!skipsLine) {
      const held = partial.length();
      const kept = Math.min(lineEnd - at, maxFrameBytes - held);
      const isCut = kept < lineEnd - at;
      if (isCut) out.cut += 1;
      skipsLine = isCut;
      if (held === 0 && (isCut || found !== -1)) emit(bytes, at, at + kept, out);
      else {
        partial.append(bytes, at, at + kept);
        if (isCut || found !== -1) emitPartial(out);
      }
    }
    if (found === -1) return bytes.length;
    skipsLine = false;
    return found + 1;
  }

  /** -1 if the line does not end in these bytes. */
  function delimiterFrom(bytes: Buffer, at: number): number {
    if (mode === 'nul') return bytes.indexOf(0, at);
    const lineFeed = bytes.indexOf(0x0a, at);
    if (mode !== 'delimited') return lineFeed;
    const nul = bytes.subarray(0, lineFeed === -1 ? bytes.length : lineFeed).indexOf(0, at);
    if (nul !== -1) mode = 'nul';
    else if (lineFeed !== -1) mode = 'lf';
    return nul === -1 ? lineFeed : nul;
  }

  function violate(bytes: Buffer, out: Output, violation: string): number {
    dead = true;
    out.violation = violation;
    return bytes.length;
  }

  /** The frame that began in an earlier chunk is always the first of its push. */
  function emitPartial(out: Output): void {
    const bytes = partial.take();
    const stop = frameEnd(bytes, 0, bytes.length);
    if (stop > 0) out.batches.push({ bytes, spans: [0, stop] });
  }

  return { push, end };
}

function emit(bytes: Buffer, start: number, end: number, out: Output): void {
  const stop = frameEnd(bytes, start, end);
  if (stop > start) out.spans.push(start, stop);
}

function finish(bytes: Buffer, { batches, spans, cut, compressed, violation }: Output): Framed {
  if (spans.length > 0) batches.push({ bytes, spans });
  return { batches, cut, compressed, violation };
}
