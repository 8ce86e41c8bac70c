import { finished } from 'node:stream/promises';
import { execa } from 'execa';
import type { FrameBatch } from '../frame/framer.ts';
import { createJournalFramer } from '../frame/journal-framer.ts';
import { readLines } from './bounded-lines.ts';
import { journalctlOptions } from './journal-probe.ts';

/** A longer entry is left out and counted. journald takes at most 48 KiB of a message by default (LineMax=), but fields of any size. */
export const maxEntryBytes = 1024 * 1024;

/**
 * journalctl writes 4 KiB at a time, three entries. What comes in a stream is taken together, so that the work for each piece (a search, the last
 * entry, which is always read) is not done for each of those; what comes alone is taken at once.
 */
const gatherMs = 5;
const gatherBytes = 64 * 1024;

/** One running journalctl. */
export interface JournalctlRun {
  readonly pause: () => void;
  readonly resume: () => void;
  /** Asks it to end; what it wrote before is still handed over. */
  readonly end: () => void;
  /** When it has ended and all its whole entries were handed over: how it ended, and the last line of its complaints. */
  readonly ended: Promise<{ readonly how: string; readonly said: string }>;
}

export interface OnEntries {
  /** Whole entries, in order. With a promise nothing more comes until it is settled; it must not be rejected. */
  readonly entries: (batches: readonly FrameBatch[]) => void | Promise<void>;
  readonly bytes: (count: number) => void;
  readonly oversize: () => void;
  /** What it writes is not the export format: it is ended, so that reading can begin again behind the last entry. */
  readonly broken: () => void;
}

/**
 * Starts journalctl. It dies with us: execa ends it when this process exits, and after a SIGKILL of this process it sees its output
 * closed and ends by itself.
 */
export function runJournalctl(path: string, args: readonly string[], on: OnEntries): JournalctlRun {
  const child = execa(path, args, { ...journalctlOptions, timeout: 0, buffer: false });
  const framer = createJournalFramer({ maxEntryBytes });
  let paused = false;
  let taking = false;
  const flow = (): void => {
    if (paused || taking) child.stdout.pause();
    else child.stdout.resume();
  };
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  let lastMs = -gatherMs;
  let timer: NodeJS.Timeout | undefined;
  const take = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (gatheredBytes === 0) return;
    const [only = Buffer.alloc(0)] = gathered;
    const chunk = gathered.length === 1 ? only : Buffer.concat(gathered, gatheredBytes);
    gathered = [];
    gatheredBytes = 0;
    on.bytes(chunk.length);
    const { batches, oversize, broken } = framer.push(chunk);
    for (let i = 0; i < oversize; i += 1) on.oversize();
    if (broken) {
      child.kill();
      on.broken();
    }
    const taken = on.entries(batches);
    if (taken === undefined) return;
    taking = true;
    flow();
    void taken.finally(() => {
      taking = false;
      flow();
    });
  };
  child.stdout.on('data', (chunk: Buffer) => {
    const nowMs = performance.now();
    const isAlone = nowMs - lastMs >= gatherMs;
    lastMs = nowMs;
    gathered.push(chunk);
    gatheredBytes += chunk.length;
    if ((isAlone && timer === undefined) || gatheredBytes >= gatherBytes) take();
    else timer ??= setTimeout(take, gatherMs);
  });
  let said = '';
  const complaints = readLines(child.stderr, { maxLength: 1000, line: (line) => (said = line), oversize: () => undefined });
  return {
    pause: () => {
      paused = true;
      flow();
    },
    resume: () => {
      paused = false;
      flow();
    },
    end: () => {
      child.kill();
      paused = false;
      flow();
    },
    ended: Promise.all([
      child,
      finished(child.stdout)
        .catch(() => undefined)
        .then(take),
      complaints.ended,
    ]).then(([{ exitCode, signal, code }]) => ({
      how: exitCode === undefined ? (signal ?? code ?? 'not started') : `exit code ${exitCode}`,
      said,
    })),
  };
}
