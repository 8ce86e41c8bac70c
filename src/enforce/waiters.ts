/** What became of everything that was asked for up to a moment. `not_yet`: it is being tried again; `why` is a sentence for a person. */
export type Settled = { readonly kind: 'in_kernel' } | { readonly kind: 'not_yet'; readonly why: string };

interface Waiter {
  readonly since: number;
  /** Waits for the restored elements too. */
  readonly restored: boolean;
  why: string | undefined;
  readonly resolve: (settled: Settled) => void;
}

/** Those who want to know when the kernel has something. Nobody waits longer than the first failure. */
export interface Waiters {
  readonly wait: (since: number, restored: boolean) => Promise<Settled>;
  /** Everything asked for before this number is in the kernel; Infinity: everything. */
  readonly reached: (oldestWaiting: number) => void;
  /** Nothing waits to be restored. */
  readonly restored: () => void;
  /** These will not be in the kernel soon: told when the rest of what was asked is. */
  readonly fail: (entries: readonly { readonly since: number }[], why: string) => void;
  readonly failAll: (why: string) => void;
}

export function createWaiters(): Waiters {
  let waiting: Waiter[] = [];
  const settle = (ready: (waiter: Waiter) => boolean): void => {
    const done = waiting.filter(ready);
    if (done.length === 0) return;
    waiting = waiting.filter((waiter) => !done.includes(waiter));
    for (const { resolve, why } of done) resolve(why === undefined ? { kind: 'in_kernel' } : { kind: 'not_yet', why });
  };
  return {
    wait: (since, restored) => {
      const { promise, resolve } = Promise.withResolvers<Settled>();
      waiting.push({ since, restored, why: undefined, resolve });
      return promise;
    },
    reached: (oldest) => settle(({ since, restored }) => !restored && since < oldest),
    restored: () => settle(({ restored }) => restored),
    fail: (entries, why) => {
      const oldest = entries.reduce((least, { since }) => Math.min(least, since), Infinity);
      for (const waiter of waiting) if (waiter.since >= oldest || (waiter.restored && entries.length > 0)) waiter.why ??= why;
    },
    failAll: (why) => {
      for (const waiter of waiting) waiter.why ??= why;
      settle(() => true);
    },
  };
}
