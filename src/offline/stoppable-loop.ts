import { createContext, Script } from 'node:vm';

/** What a round of steps may take before the watch is wound up again, in ms. */
const roundMs = 100;

const script = new Script('run()');
const context = { run: (): void => undefined };
createContext(context);

/**
 * Steps that run in this thread and are stopped where one takes too long: an expression may take exponential time.
 *
 * node:vm stops what it runs by the clock. CPU time counts here, so that a busy machine, or one that slept, stops nothing: such a step is
 * begun again.
 */
export class StoppableLoop {
  readonly #deadlineMs: number;
  readonly #again: () => void;

  /**
   * @param deadlineMs CPU time for one step; it may get a tenth of a second more
   * @param again a step was broken off for no fault of its own, and will be begun again
   */
  constructor(deadlineMs: number, again: () => void) {
    this.#deadlineMs = deadlineMs;
    this.#again = again;
  }

  /** @returns the index of the step that was stopped; `to` if none was */
  run(from: number, to: number, step: (index: number) => void): number {
    let at = from;
    let timeout = roundMs + this.#deadlineMs;
    for (;;) {
      if (at >= to) return to;
      const started = performance.now();
      const cpu = process.threadCpuUsage();
      context.run = () => {
        do {
          step(at);
          at += 1;
        } while (at < to && performance.now() - started < roundMs);
      };
      try {
        script.runInContext(context, { timeout });
        timeout = roundMs + this.#deadlineMs;
      } catch (error) {
        if (isOverflow(error)) return at;
        if (!isTimeout(error)) throw error;
        const { user, system } = process.threadCpuUsage(cpu);
        if ((user + system) / 1_000 >= this.#deadlineMs) return at;
        // On a machine that gives us a tenth of its time, a second of ours takes ten.
        timeout *= 2;
        this.#again();
      }
    }
  }
}

/** The error is of the context's realm, and no Error here. */
function isTimeout(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}

/** An expression that went back and forth until its stack was full. */
function isOverflow(error: unknown): boolean {
  return error instanceof RangeError;
}
