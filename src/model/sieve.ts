/** See Sieve.find. */
export type FindCandidate = (bytes: Buffer, start: number, end: number) => number;

/**
 * Finds the places from which on a line may matter: every line that some enabled pattern could want holds one of certain texts, and what has none
 * of them never becomes a string. Not re-entrant; what it says beside its result is true until the next call.
 */
export interface Sieve {
  /**
   * The offset of the first such text that lies wholly in `bytes` between `start` and `end`, of those that overlap any one; `end` if there is none.
   */
  readonly find: FindCandidate;
  /** LFs between the last find's `start` and its result. */
  readonly lines: () => number;
  /** Offset behind the last LF between the last find's `start` and its result; its `start` if there was none. */
  readonly lineStart: () => number;
  /** Memory that is searched where it is; other bytes are copied first. Read into it what is read in bulk. */
  readonly input: Buffer;
}
