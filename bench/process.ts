import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** User and system time of a process so far, ms. proc_pid_stat(5): fields 14 and 15, in hundredths of a second. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process. proc_pid_status(5). */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) * 1_024;
}

/** Asks every few ms until it is so. @returns when it was, by performance.now() @throws after `limitMs` */
export async function until(what: string, limitMs: number, holds: () => boolean | Promise<boolean>, everyMs = 5): Promise<number> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await pause(everyMs);
  }
  return performance.now();
}

/** @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
