/** Where things are in the kernel's memory. The input area is the rest. */
export const layout = {
  /** What `find` says beside its result: LFs that it passed, and the offset behind the last of them (0: there was none). */
  lines: 0,
  lineStart: 4,
  /** One vector for the kernel's own use. */
  scratch: 16,
  /** Six tables of 16 bytes: for the three bytes of a window, by low and by high half, one bit for each bucket. */
  tables: 32,
  /** Eight addresses, each of a bucket's list of needles. */
  buckets: 128,
  /** What `mark` found: one bit for each needle. */
  marks: 160,
  /**
   * The lists. One needle: which of its bytes the window begins with, how many it has (0: the list is over), its number, i32 each; then its
   * bytes, and as many bytes to OR the text with.
   */
  needles: 192,
  /** Behind the needles. */
  input: 65_536,
} as const;

/** So many bits has `marks`. */
export const mostMarks = 128;

export const pageBytes = 65_536;

/** Bytes behind the input that are read, and mean nothing. */
export const slackBytes = 32;

/**
 * The search for many texts at once, 16 bytes at a time: `find(from, to)` gives the address of the first needle that lies wholly in
 * [from, to), or `to`, and stores how many LFs come before it.
 *
 * From each needle three bytes were chosen, its window. Two table look-ups for each byte of the window, by its halves, give the buckets (a
 * bit each) that have a needle with such a byte there; what is left after the AND of all six is a candidate, and is compared byte by byte.
 * The method is that of "Teddy" in Intel's Hyperscan: Wang et al., NSDI 2019, section 4.3.
 *
 * `mark(from, to)` sets the bit of every needle that lies in [from, to).
 */
export function scanKernel(): string {
  return `
(module
  (import "sieve" "memory" (memory 1))
  (func (export "find") (param $from i32) (param $to i32) (result i32)
    ${locals}
    ${search(found, countLines)}
    (i32.store offset=${layout.lines} (i32.const 0) (local.get $lines))
    (i32.store offset=${layout.lineStart} (i32.const 0) (local.get $lineStart))
    (local.get $to))
  (func (export "mark") (param $from i32) (param $to i32)
    ${locals}
    ${search(marked, '')}))`;
}

const locals = `
    (local $at i32) (local $lines i32) (local $lineStart i32) (local $lf i32) (local $candidates i32) (local $left i32)
    (local $bit i32) (local $before i32) (local $buckets i32) (local $entry i32) (local $length i32) (local $start i32) (local $i i32)
    (local $bytes v128) (local $found v128) (local $half v128) (local $lineFeed v128) (local $zero v128)
    (local $low0 v128) (local $high0 v128) (local $low1 v128) (local $high1 v128) (local $low2 v128) (local $high2 v128)`;

/** A needle has no LF, so the LFs before its window are those before its beginning. */
const found = `
                (local.set $before (i32.and (local.get $lf) (i32.sub (i32.shl (i32.const 1) (local.get $bit)) (i32.const 1))))
                (if (local.get $before) (then
                  (local.set $lineStart (i32.add (local.get $at) (i32.sub (i32.const 32) (i32.clz (local.get $before)))))))
                (i32.store offset=${layout.lines} (i32.const 0) (i32.add (local.get $lines) (i32.popcnt (local.get $before))))
                (i32.store offset=${layout.lineStart} (i32.const 0) (local.get $lineStart))
                (return (local.get $start))`;

const marked = `
                (local.set $i (i32.load offset=8 (local.get $entry)))
                (local.set $before (i32.shl (i32.shr_u (local.get $i) (i32.const 5)) (i32.const 2)))
                (i32.store offset=${layout.marks} (local.get $before)
                  (i32.or (i32.load offset=${layout.marks} (local.get $before)) (i32.shl (i32.const 1) (local.get $i))))`;

const countLines = `
      (if (local.get $lf) (then
        (local.set $lines (i32.add (local.get $lines) (i32.popcnt (local.get $lf))))
        (local.set $lineStart (i32.add (local.get $at) (i32.sub (i32.const 32) (i32.clz (local.get $lf)))))))`;

/** @param hit what to do with a needle that was found, in $entry; `always`: what to do with each 16 bytes in the end */
function search(hit: string, always: string): string {
  return `
    (local.set $half (i8x16.splat (i32.const 15)))
    (local.set $lineFeed (i8x16.splat (i32.const 10)))
    (local.set $low0 (v128.load offset=${layout.tables} (i32.const 0)))
    (local.set $high0 (v128.load offset=${layout.tables + 16} (i32.const 0)))
    (local.set $low1 (v128.load offset=${layout.tables + 32} (i32.const 0)))
    (local.set $high1 (v128.load offset=${layout.tables + 48} (i32.const 0)))
    (local.set $low2 (v128.load offset=${layout.tables + 64} (i32.const 0)))
    (local.set $high2 (v128.load offset=${layout.tables + 80} (i32.const 0)))
    (local.set $at (local.get $from))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $at) (local.get $to)))

      ;; the buckets that have a needle whose window could begin at each of the 16 bytes
      (local.set $bytes (v128.load offset=2 (local.get $at)))
      (local.set $found (v128.and
        (i8x16.swizzle (local.get $low2) (v128.and (local.get $bytes) (local.get $half)))
        (i8x16.swizzle (local.get $high2) (v128.and (i16x8.shr_u (local.get $bytes) (i32.const 4)) (local.get $half)))))
      (local.set $bytes (v128.load offset=1 (local.get $at)))
      (local.set $found (v128.and (local.get $found) (v128.and
        (i8x16.swizzle (local.get $low1) (v128.and (local.get $bytes) (local.get $half)))
        (i8x16.swizzle (local.get $high1) (v128.and (i16x8.shr_u (local.get $bytes) (i32.const 4)) (local.get $half))))))
      (local.set $bytes (v128.load (local.get $at)))
      (local.set $found (v128.and (local.get $found) (v128.and
        (i8x16.swizzle (local.get $low0) (v128.and (local.get $bytes) (local.get $half)))
        (i8x16.swizzle (local.get $high0) (v128.and (i16x8.shr_u (local.get $bytes) (i32.const 4)) (local.get $half))))))

      ;; LFs among them, one bit each; behind the end nothing counts
      (local.set $lf (i8x16.bitmask (i8x16.eq (local.get $bytes) (local.get $lineFeed))))
      (local.set $left (i32.sub (local.get $to) (local.get $at)))
      (if (i32.lt_u (local.get $left) (i32.const 16)) (then
        (local.set $lf (i32.and (local.get $lf) (i32.sub (i32.shl (i32.const 1) (local.get $left)) (i32.const 1))))))

      (if (v128.any_true (local.get $found)) (then
        (v128.store offset=${layout.scratch} (i32.const 0) (local.get $found))
        (local.set $candidates (i8x16.bitmask (i8x16.ne (local.get $found) (local.get $zero))))
        (loop $nextCandidate
          (local.set $bit (i32.ctz (local.get $candidates)))
          (local.set $buckets (i32.load8_u offset=${layout.scratch} (local.get $bit)))
          (loop $nextBucket
            (local.set $entry (i32.load offset=${layout.buckets} (i32.shl (i32.ctz (local.get $buckets)) (i32.const 2))))
            (block $bucketEnd (loop $nextNeedle
              (br_if $bucketEnd (i32.eqz (local.tee $length (i32.load offset=4 (local.get $entry)))))
              (block $other
                (local.set $start (i32.sub (i32.add (local.get $at) (local.get $bit)) (i32.load (local.get $entry))))
                (br_if $other (i32.lt_u (local.get $start) (local.get $from)))
                (br_if $other (i32.gt_u (i32.add (local.get $start) (local.get $length)) (local.get $to)))
                (local.set $i (i32.const 0))
                (loop $nextByte
                  (br_if $other (i32.ne
                    (i32.or
                      (i32.load8_u (i32.add (local.get $start) (local.get $i)))
                      (i32.load8_u offset=12 (i32.add (local.get $entry) (i32.add (local.get $length) (local.get $i)))))
                    (i32.load8_u offset=12 (i32.add (local.get $entry) (local.get $i)))))
                  (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (br_if $nextByte (i32.lt_u (local.get $i) (local.get $length))))
${hit})
              (local.set $entry (i32.add (local.get $entry) (i32.add (i32.const 12) (i32.shl (local.get $length) (i32.const 1)))))
              (br $nextNeedle)))
            (local.set $buckets (i32.and (local.get $buckets) (i32.sub (local.get $buckets) (i32.const 1))))
            (br_if $nextBucket (local.get $buckets)))
          (local.set $candidates (i32.and (local.get $candidates) (i32.sub (local.get $candidates) (i32.const 1))))
          (br_if $nextCandidate (local.get $candidates)))))
${always}
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $next)))`;
}
