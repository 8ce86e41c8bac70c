/** The beginning of a frame whose end has not come yet. */
export interface PartialFrame {
  /** Octets held. */
  readonly length: () => number;
  /** Appends; the caller has seen to it that no more than maxBytes come together. */
  readonly append: (bytes: Buffer, start: number, end: number) => void;
  /** The octets held, which belong to the caller from now on. */
  readonly take: () => Buffer;
}

const smallest = 1_024;

/** Grows by doubling, so that a peer that sends a byte a second does not cost a copy of everything before it each time. */
export function createPartialFrame(maxBytes: number): PartialFrame {
  let storage: Buffer | undefined;
  let used = 0;
  return {
    length: () => used,
    append(bytes, start, end) {
      const needed = used + end - start;
      if (storage === undefined || needed > storage.length) {
        // Slow: not a slice of the pool, of which one lasting frame would hold 8 KiB.
        const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(maxBytes, Math.max(smallest, 2 * needed))));
        storage?.copy(grown, 0, 0, used);
        storage = grown;
      }
      bytes.copy(storage, used, start, end);
      used = needed;
    },
    take() {
      const taken = storage?.subarray(0, used) ?? Buffer.alloc(0);
      storage = undefined;
      used = 0;
      return taken;
    },
  };
}
