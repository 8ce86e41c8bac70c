import { execa } from 'execa';
import { readLines } from './bounded-lines.ts';
import { journalctlOptions } from './journal-probe.ts';

/**
 * An entry beyond this many characters of JSON is skipped and counted. journald takes at most 48 KiB of a message by default (LineMax=),
 * but fields of any size.
 */
export const maxEntryLength = 1024 * 1024;

/** One running journalctl. */
export interface JournalctlRun {
  readonly pause: () => void;
  readonly resume: () => void;
  /** Asks it to end; what it wrote before is still handed over. */
  readonly end: () => void;
  /** Whether it will write no more: then the last line may be half a line. */
  readonly inputEnded: () => boolean;
  /** When it has ended and all its lines were handed over: how it ended, and the last line of its complaints. */
  readonly ended: Promise<{ readonly how: string; readonly said: string }>;
}

/**
 * Starts journalctl. It dies with us: execa ends it when this process exits, and after a SIGKILL of this process it sees its output
 * closed and ends by itself.
 */
export function runJournalctl(
  path: string,
  args: readonly string[],
  on: { readonly line: (line: string) => void; readonly bytes: (count: number) => void; readonly oversize: () => void },
): JournalctlRun {
  const child = execa(path, args, { ...journalctlOptions, timeout: 0, buffer: false });
  child.stdout.on('data', (chunk: Buffer) => on.bytes(chunk.length));
  const entries = readLines(child.stdout, { maxLength: maxEntryLength, line: on.line, oversize: on.oversize });
  let said = '';
  const complaints = readLines(child.stderr, { maxLength: 1000, line: (line) => (said = line), oversize: () => undefined });
  return {
    pause: entries.pause,
    resume: entries.resume,
    inputEnded: entries.inputEnded,
    end: () => {
      child.kill();
      entries.resume();
    },
    ended: Promise.all([child, entries.ended, complaints.ended]).then(([{ exitCode, signal, code }]) => ({
      how: exitCode === undefined ? (signal ?? code ?? 'not started') : `exit code ${exitCode}`,
      said,
    })),
  };
}
