import { accessSync, closeSync, constants, mkdtempSync, openSync, readdirSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { backoffMs } from './backoff.ts';

/**
 * A small shell that runs nft for us. A fork from a process of 1 GB stops the event loop for 40 ms; from this one it takes 1 ms. It
 * reads `NUMBER PROGRAM ARGUMENTS` from stdin, gives NUMBER.in to the program as its stdin, and writes NUMBER.out and NUMBER.err; it says
 * the program's pid, so that a hanging one can be ended, and its exit code.
 *
 * Words are split at blanks only (set -f), the programs are two fixed ones, and the arguments are ours: fixed words, set names, addresses
 * in canonical form. Signals of the terminal are ignored: the daemon stops first, and the end of stdin ends the shell, also after kill -9.
 */
const loop = `
trap '' INT TERM HUP
set -f
dir=$1 nft=$2 ss=$3
while read -r n program args; do
  case $program in
    nft) program=$nft ;;
    ss) program=$ss ;;
    *) exit 2 ;;
  esac
  "$program" $args <"$dir/$n.in" >"$dir/$n.out" 2>"$dir/$n.err" &
  echo "p $!"
  wait $!
  echo "r $?"
done`;

export interface Job {
  readonly program: 'nft' | 'ss';
  /** No blanks within one: the shell splits there. */
  readonly args: readonly string[];
  /** `-` in args means this, through a file. */
  readonly input?: string;
  /** How much of stdout is wanted, bytes; 0: none. */
  readonly maxOutputBytes?: number;
  /** Instead of the child's own. */
  readonly timeoutMs?: number;
}

export type Ran =
  | {
      readonly kind: 'exit';
      readonly code: number;
      readonly stdout: string;
      /** stdout was longer than was wanted. */
      readonly cut: boolean;
      readonly stderr: string;
      readonly tookMs: number;
    }
  /** Ended by us: what it did is not known. */
  | { readonly kind: 'timeout'; readonly tookMs: number }
  /** The shell has died, or cannot be started. */
  | { readonly kind: 'gone'; readonly why: string; readonly tookMs: number };

export interface NftChild {
  /** Jobs run one at a time, in order. Never rejects. */
  readonly run: (job: Job) => Promise<Ran>;
  /** Waits for the job at work, refuses the others, removes the directory. */
  readonly stop: () => Promise<void>;
}

export interface NftChildOptions {
  readonly nft: string;
  readonly ss?: string;
  /** Where the directory for the batch files is made; undefined: the first writable one of the tmpfs places. */
  readonly directory?: string | undefined;
  /** A job that takes longer is ended; ms. */
  readonly timeoutMs: number;
}

interface Shell {
  readonly send: (line: string) => void;
  readonly kill: () => void;
  readonly end: () => Promise<void>;
}

interface Waiting {
  readonly job: Job;
  readonly done: (ran: Ran) => void;
}

const maxStderrBytes = 16_384;
/** How long the shell may take to notice that its program was ended; after that it is replaced. */
const graceMs = 2_000;

/** Starts the shell at once: call it before anything large is loaded. @throws if no directory can be made */
export function startNftChild({ nft, ss = '/bin/false', directory, timeoutMs }: NftChildOptions): NftChild {
  const dir = makeDirectory(directory);
  const queue: Waiting[] = [];
  let shell: Shell | undefined;
  let current:
    | { readonly number: number; readonly startedMs: number; readonly waiting: Waiting; pid: number | undefined; killed: boolean }
    | undefined;
  let timer: NodeJS.Timeout | undefined;
  let deaths = 0;
  let notBeforeMs = 0;
  let numbered = 0;
  let stopped = false;
  let idle: (() => void) | undefined;

  const startShell = (): Shell => {
    const child = execa('/bin/sh', ['-c', loop, 'sluice-nft', dir, nft, ss], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'ignore',
      buffer: false,
      reject: false,
      extendEnv: false,
      env: { LC_ALL: 'C', HOME: '/nonexistent' },
      cwd: '/',
    });
    let said = '';
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      said += chunk;
      const lines = said.split('\n');
      said = lines.pop() ?? '';
      for (const line of lines) if (shell === me) heard(line);
    });
    child.stdin.on('error', () => {
      // It has died; what follows is told by its end.
    });
    const ended = child.then(({ shortMessage, failed }) => {
      if (shell === me) lost(failed ? (shortMessage ?? 'it failed') : 'it ended by itself');
    });
    const me: Shell = {
      send: (line) => child.stdin.write(line),
      kill: () => child.kill('SIGKILL'),
      end: async () => {
        child.stdin.end();
        await ended;
      },
    };
    return me;
  };

  const lost = (why: string): void => {
    shell = undefined;
    notBeforeMs = Date.now() + backoffMs(++deaths);
    finish({ kind: 'gone', why: `the shell that runs nft has died: ${why}`, tookMs: elapsed() });
  };

  const elapsed = (): number => (current === undefined ? 0 : performance.now() - current.startedMs);

  const finish = (ran: Ran): void => {
    const finished = current;
    if (finished === undefined) return;
    clearTimeout(timer);
    current = undefined;
    for (const end of ['in', 'out', 'err']) rmSync(join(dir, `${finished.number}.${end}`), { force: true });
    finished.waiting.done(ran);
    next();
  };

  const heard = (line: string): void => {
    if (current === undefined) return;
    const value = Number(line.slice(2));
    if (line.startsWith('p ')) {
      current.pid = value;
      return;
    }
    deaths = 0;
    if (current.killed) return finish({ kind: 'timeout', tookMs: elapsed() });
    const file = join(dir, String(current.number));
    const { maxOutputBytes = 0 } = current.waiting.job;
    const out = maxOutputBytes === 0 ? { text: '', cut: false } : readStart(`${file}.out`, maxOutputBytes);
    const stderr = value === 0 && current.waiting.job.program === 'nft' ? '' : readStart(`${file}.err`, maxStderrBytes).text;
    finish({ kind: 'exit', code: value, stdout: out.text, cut: out.cut, stderr, tookMs: elapsed() });
  };

  const expired = (): void => {
    if (current === undefined) return;
    if (current.killed || current.pid === undefined) {
      // Not even SIGKILL ends it (it waits in the kernel): go on with another shell.
      const hanging = shell;
      shell = undefined;
      hanging?.kill();
      notBeforeMs = Date.now() + backoffMs(++deaths);
      finish({ kind: 'timeout', tookMs: elapsed() });
      return;
    }
    current.killed = true;
    timer = setTimeout(expired, graceMs);
    try {
      process.kill(current.pid, 'SIGKILL');
    } catch {
      // It has just ended: the shell will say so.
    }
  };

  const next = (): void => {
    if (current !== undefined) return;
    if (stopped) {
      for (const { done } of queue.splice(0)) done({ kind: 'gone', why: 'stopped', tookMs: 0 });
      idle?.();
      return;
    }
    if (queue.length === 0) return;
    const waitMs = shell === undefined ? notBeforeMs - Date.now() : 0;
    clearTimeout(timer);
    if (waitMs > 0) timer = setTimeout(next, waitMs);
    else begin(queue.shift());
  };

  const begin = (waiting: Waiting | undefined): void => {
    if (waiting === undefined) return;
    const number = ++numbered;
    current = { number, startedMs: performance.now(), waiting, pid: undefined, killed: false };
    try {
      writeFileSync(join(dir, `${number}.in`), waiting.job.input ?? '', { mode: 0o600, flag: 'wx' });
      shell ??= startShell();
    } catch (error) {
      return finish({ kind: 'gone', why: error instanceof Error ? error.message : String(error), tookMs: elapsed() });
    }
    timer = setTimeout(expired, waiting.job.timeoutMs ?? timeoutMs);
    shell.send(`${number} ${waiting.job.program} ${waiting.job.args.join(' ')}\n`);
  };

  shell = startShell();
  return {
    run: (job) => {
      const { promise, resolve } = Promise.withResolvers<Ran>();
      queue.push({ job, done: resolve });
      next();
      return promise;
    },
    stop: async () => {
      stopped = true;
      if (current === undefined) {
        clearTimeout(timer);
        next();
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        idle = resolve;
        await promise;
      }
      const last = shell;
      shell = undefined;
      await last?.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The beginning of a file; empty if it is not there. */
function readStart(path: string, maxBytes: number): { readonly text: string; readonly cut: boolean } {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const bytes = Buffer.allocUnsafe(Math.min(maxBytes + 1, statSync(path).size));
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return { text: bytes.toString('utf8', 0, Math.min(length, maxBytes)), cut: length > maxBytes };
  } catch {
    return { text: '', cut: false };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * A private directory (0700, by mkdtemp) on tmpfs where there is one: a batch file is written and removed for each transaction. Directories of
 * processes that were killed are removed.
 */
function makeDirectory(wanted: string | undefined): string {
  const { RUNTIME_DIRECTORY, XDG_RUNTIME_DIR } = process.env;
  const places = wanted === undefined ? [RUNTIME_DIRECTORY?.split(':')[0], XDG_RUNTIME_DIR, '/dev/shm', tmpdir()] : [wanted];
  for (const place of places) {
    if (place === undefined || place === '') continue;
    try {
      accessSync(place, constants.W_OK | constants.X_OK);
      removeLeftovers(place);
      return mkdtempSync(join(place, `sluice-nft-${process.pid}-`));
    } catch {
      // Not there or not ours: the next one.
    }
  }
  throw new Error(
    `Cannot make a directory for nft's batch files in ${places.filter((place) => place !== undefined).join(', ')}: not writable.`,
  );
}

function removeLeftovers(place: string): void {
  for (const name of readdirSync(place)) {
    const pid = /^sluice-nft-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    const { uid, mtimeMs } = statSync(join(place, name));
    // One in use changes twice a second; its process may be one that we cannot see, in another container.
    if (uid !== process.getuid?.() || Date.now() - mtimeMs < 60_000) continue;
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') rmSync(join(place, name), { recursive: true, force: true });
    }
  }
}
