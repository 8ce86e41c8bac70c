/**
 * Shares the loop among connections that all have much to say. libuv reads a socket up to 32 times in a row, and every ready socket before
 * anybody else is served: with lines that are dear, a second goes by before a ping is answered.
 *
 * So there is a turn of some milliseconds, in which chunks are worked on at once, as they come. What comes later waits for the next turn of
 * the loop, each connection in order, a piece at a time; meanwhile its socket is not read, so that no more than a chunk or two wait for each.
 */
export interface Turns {
  readonly join: (member: Member) => Turn;
  /** Nothing is worked on until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
}

export interface Member {
  /** Works on a chunk, or on a piece of one. */
  readonly work: (bytes: Buffer) => void;
  /** Told on each change: while it waits, nothing more should be read for it. */
  readonly waits: (waiting: boolean) => void;
}

/** One member's place. */
export interface Turn {
  /** Something was read. */
  readonly take: (chunk: Buffer) => void;
  /** Works on what waits, at once: nothing comes after it. */
  readonly finish: () => void;
}

/** What is worked on before the clock is looked at again: as much as takes about a millisecond. */
const pieceBytes = { least: 2_048, most: 65_536 } as const;
const pieceMs = 1;

/**
 * @param turnMs how long all together hold up the loop before others are served
 * @param clockMs a clock that never goes back, in ms
 */
export function createTurns(turnMs: number, clockMs: () => number = () => performance.now()): Turns {
  const queue: { readonly run: () => boolean }[] = [];
  let piece: number = pieceBytes.least;
  let endMs = 0;
  let nowMs = 0;
  let paused = false;
  let immediate: NodeJS.Immediate | undefined;

  const over = (): boolean => nowMs >= endMs;
  const begin = (): void => {
    nowMs = clockMs();
    endMs = nowMs + turnMs;
    immediate = setImmediate(next);
  };
  const next = (): void => {
    immediate = undefined;
    if (queue.length === 0 || paused) return;
    begin();
    do {
      const first = queue.shift();
      if (first === undefined) return;
      if (first.run()) queue.push(first);
    } while (!over());
  };
  /** @returns how many bytes were worked on */
  const workOn = (bytes: Buffer, work: Member['work']): number => {
    const size = Math.min(piece, bytes.length);
    work(size === bytes.length ? bytes : bytes.subarray(0, size));
    const beganMs = nowMs;
    nowMs = clockMs();
    if (nowMs - beganMs > pieceMs) piece = Math.max(pieceBytes.least, piece / 2);
    else if (size === piece) piece = Math.min(pieceBytes.most, piece * 2);
    return size;
  };

  return {
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      if (immediate === undefined && queue.length > 0) begin();
    },
    join: ({ work, waits }) => {
      let held: Buffer[] = [];
      let waiting = false;
      const queued = {
        run: (): boolean => {
          const [chunk] = held;
          if (chunk !== undefined) {
            const done = workOn(chunk, work);
            if (done === chunk.length) held.shift();
            else held[0] = chunk.subarray(done);
          }
          waiting = held.length > 0;
          if (!waiting) waits(false);
          return waiting;
        },
      };
      return {
        take: (chunk) => {
          if (immediate === undefined) begin();
          let rest = chunk;
          if (!waiting && !paused) {
            nowMs = clockMs();
            while (rest.length > 0 && !over()) rest = rest.subarray(workOn(rest, work));
            if (rest.length === 0) return;
          }
          held.push(rest);
          if (waiting) return;
          waiting = true;
          queue.push(queued);
          waits(true);
        },
        finish: () => {
          const rest = held;
          held = [];
          for (const chunk of rest) work(chunk);
        },
      };
    },
  };
}
