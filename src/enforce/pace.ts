/** When the next transaction begins. One of a single element costs nft 4 ms, one of a thousand 8: in a flood they are worth waiting for. */
export interface Pace {
  /** @param beganMs when that transaction began, by performance.now() */
  readonly wrote: (elements: number, beganMs: number) => void;
  /** Resolves when the next one should begin: at once, if the last one was small or is long past. */
  readonly rest: () => Promise<void>;
  /** Somebody waits, or enough has come together: whoever rests goes on now. */
  readonly hurry: () => void;
}

/** From the beginning of one transaction to that of the next, ms for each of its elements: so hundreds a second wait for nobody. */
const msPerElement = 1;
const mostMs = 40;

export function createPace(): Pace {
  let notBeforeMs = 0;
  let wake: (() => void) | undefined;
  return {
    wrote: (elements, beganMs) => {
      notBeforeMs = beganMs + Math.min(mostMs, elements * msPerElement);
    },
    rest: async () => {
      const leftMs = notBeforeMs - performance.now();
      if (leftMs <= 1) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(resolve, leftMs);
      await promise;
      clearTimeout(timer);
      wake = undefined;
    },
    hurry: () => wake?.(),
  };
}
