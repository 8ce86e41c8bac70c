import { boundSockets, type Endpoint, readSocketTables } from './socket-owner.ts';

/** Watches how many datagrams the kernel dropped because a socket's receive buffer was full. */
export interface DropWatch {
  /** Reads the counter now. */
  readonly poll: () => Promise<void>;
  /** Reads it for the last time; call it before the socket is closed. */
  readonly stop: () => Promise<void>;
}

/**
 * Reads the last column of /proc/net/udp every `everyMs`. Does not keep the process alive.
 *
 * @param bound a socket opened just now: its counter began at 0
 * @param lost called with the datagrams dropped since the last time, if any
 */
export function watchDrops(bound: Endpoint, everyMs: number, lost: (count: number) => void): DropWatch {
  let seen = 0;
  const poll = async (): Promise<void> => {
    const tables = await readSocketTables('udp').catch(() => undefined); // no /proc: nothing is known
    if (tables === undefined) return;
    const drops = boundSockets(tables, bound).reduce((sum, row) => sum + row.drops, 0);
    const since = dropsSince(seen, drops);
    seen = drops;
    if (since > 0) lost(since);
  };
  const timer = setInterval(() => void poll(), everyMs);
  timer.unref();
  return {
    poll,
    async stop() {
      clearInterval(timer);
      await poll();
    },
  };
}

/** The kernel's counter has 32 bits and begins again at 0. */
export function dropsSince(before: number, now: number): number {
  return now >= before ? now - before : now + 2 ** 32 - before;
}
