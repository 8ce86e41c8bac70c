import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file: grep stops at its first match when nobody reads the count. */
const output = join(tmpdir(), `sluice-bench-${process.pid}.out`);
process.once('exit', () => rmSync(output, { force: true }));

export interface Timed {
  readonly wallMs: number;
  /** User and system time of the command and its children, ms: on a machine with other work what can be compared. */
  readonly cpuMs: number;
}

/** Runs a command, its output written to a file. bash measures. @throws if it does not end with one of the codes */
export async function timeRun(command: readonly string[], codes: readonly number[] = [0]): Promise<Timed> {
  const child = spawn('/bin/bash', ['-c', 'TIMEFORMAT="%R %U %S"; time "$@" >"$0" 2>/dev/null', output, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  const [wall = NaN, user = NaN, system = NaN] = said
    .trim()
    .split(/\s+/)
    .map((seconds) => Number(seconds) * 1_000);
  if (child.exitCode === null || !codes.includes(child.exitCode) || Number.isNaN(system))
    throw new Error(`${command.join(' ')} ended with ${child.exitCode}: ${said}`);
  return { wallMs: wall, cpuMs: user + system };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}
