import { finished } from 'node:stream/promises';
import { execa } from 'execa';
import type { FrameBatch } from '../frame/framer.ts';
import { createJournalFramer } from '../frame/journal-framer.ts';
import { readLines } from './bounded-lines.ts';
import { openChannel } from './journal-channel.ts';
import { journalctlOptions } from './journal-probe.ts';

/** A longer entry is left out and counted. journald takes at most 48 KiB of a message by default (LineMax=), but fields of any size. */
export const maxEntryBytes = 1024 * 1024;

/**
 * journalctl writes 4 KiB at a time, three entries, and each of them would wake us. After a read of little we look away, so that what comes in a
 * stream comes together: a backlog is read by 60 KiB, for a third of the CPU. The little itself is taken at once.
 */
const littleBytes = 32 * 1024;
const lookAwayMs = 1;

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
 *
 * @throws if there is no place for the socket that it writes to
 */
export async function runJournalctl(path: string, args: readonly string[], on: OnEntries): Promise<JournalctlRun> {
  const framer = createJournalFramer({ maxEntryBytes });
  let paused = false;
  let taking = false;
  let timer: NodeJS.Timeout | undefined;
  const flow = (): void => {
    if (!paused && !taking && timer === undefined) read.resume();
  };
  const lookAgain = (): void => {
    timer = undefined;
    flow();
  };
  const take = (chunk: Buffer): boolean => {
    on.bytes(chunk.length);
    const { batches, oversize, broken } = framer.push(chunk);
    for (let i = 0; i < oversize; i += 1) on.oversize();
    if (broken) {
      child.kill();
      on.broken();
    }
    const taken = on.entries(batches);
    if (taken !== undefined) {
      taking = true;
      void taken.finally(() => {
        taking = false;
        flow();
      });
    }
    if (chunk.length < littleBytes) timer = setTimeout(lookAgain, lookAwayMs);
    return !paused && !taking && timer === undefined;
  };
  const { written, read } = await openChannel(take);
  const child = execa(path, args, { ...journalctlOptions, timeout: 0, buffer: false, stdout: written });
  written.destroy();
  let said = '';
  const complaints = readLines(child.stderr, { maxLength: 1000, line: (line) => (said = line), oversize: () => undefined });
  return {
    pause: () => {
      paused = true;
      read.pause();
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
    ended: Promise.all([child, finished(read, { writable: false }).catch(() => undefined), complaints.ended]).then(
      ([{ exitCode, signal, code }]) => ({
        how: exitCode === undefined ? (signal ?? code ?? 'not started') : `exit code ${exitCode}`,
        said,
      }),
    ),
  };
}
