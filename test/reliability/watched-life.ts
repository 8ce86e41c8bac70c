import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Life } from './lives.ts';

/** How a daemon did while something happened. */
export interface Watched {
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Resident at most, MB. */
  readonly rssMb: number;
  /** For people. */
  readonly shown: string;
}

/** Pings the daemon every 10 ms, each time over a connection of its own, and looks at its memory, while the work goes on. */
export async function watchLife(life: Life, work: () => Promise<void>): Promise<Watched> {
  const beganMs = performance.now();
  const answeredMs: number[] = [];
  let rssMb = 0;
  const done = new AbortController();
  const watching = (async () => {
    while (!done.signal.aborted) {
      const askedMs = performance.now();
      await life.ask.get('/v1/ping');
      answeredMs.push(performance.now() - askedMs);
      rssMb = Math.max(rssMb, residentMb(life.pid));
      await pause(10); // how often it is asked is the measure
    }
  })();
  try {
    await work();
  } finally {
    done.abort();
    await watching;
  }
  const sorted = answeredMs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const [p99Ms, maxMs] = [at(0.99), at(1)];
  const took = ((performance.now() - beganMs) / 1_000).toFixed(1);
  const shown = `${took} s; ${sorted.length} pings: p50 ${at(0.5).toFixed(1)}, p99 ${p99Ms.toFixed(1)}, max ${maxMs.toFixed(1)} ms; ${rssMb} MB`;
  return { p99Ms, maxMs, rssMb, shown };
}

/** VmRSS of proc_pid_status(5), MB. */
export function residentMb(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024);
}
