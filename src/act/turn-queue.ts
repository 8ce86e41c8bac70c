/**
 * Does one thing at a time for several owners: each has a queue of its own, and they take turns, so that one with a thousand things to do does not keep the
 * others waiting. What takes many steps gives its turn away after each.
 */
export interface TurnQueue<Owner> {
  /** @param step does a part, and answers whether that was the last; it must not reject */
  readonly add: (owner: Owner, step: () => Promise<boolean>) => void;
  /** In place of everything else of that owner that waits, except what was such a replacement itself: that comes first. */
  readonly replace: (owner: Owner, step: () => Promise<boolean>) => void;
  /** Things that wait, with the one under way. */
  readonly size: () => number;
  /** Resolves when nothing waits. */
  readonly idle: () => Promise<void>;
}

export function createTurnQueue<Owner>(): TurnQueue<Owner> {
  const waiting = new Map<Owner, (() => Promise<boolean>)[]>();
  /** Those that `replace` gave. */
  const lasting = new WeakSet<() => Promise<boolean>>();
  let size = 0;
  let isRunning = false;
  const idle: (() => void)[] = [];

  const work = async (): Promise<void> => {
    isRunning = true;
    for (let next = waiting.entries().next(); next.done !== true; next = waiting.entries().next()) {
      const [owner, steps] = next.value;
      const [step] = steps;
      const isOver = step === undefined || (await step());
      // Unless it was replaced meanwhile.
      if (isOver && steps[0] === step && step !== undefined) {
        steps.shift();
        size--;
      }
      // Who had a turn goes to the end.
      waiting.delete(owner);
      if (steps.length > 0) waiting.set(owner, steps);
    }
    isRunning = false;
    for (const resolve of idle.splice(0)) resolve();
  };

  const begin = (): void => {
    if (!isRunning) void work();
  };

  return {
    add: (owner, step) => {
      const steps = waiting.get(owner);
      if (steps === undefined) waiting.set(owner, [step]);
      else steps.push(step);
      size++;
      begin();
    },
    replace: (owner, step) => {
      const steps = waiting.get(owner) ?? [];
      const kept = steps.filter((each) => lasting.has(each));
      lasting.add(step);
      size += kept.length + 1 - steps.length;
      steps.splice(0, steps.length, ...kept, step);
      waiting.set(owner, steps);
      begin();
    },
    size: () => size,
    idle: async () =>
      new Promise((resolve) => {
        if (isRunning) idle.push(resolve);
        else resolve();
      }),
  };
}
