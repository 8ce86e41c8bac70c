import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';

/** One command for /bin/sh. */
export interface ShellCommand {
  readonly script: string;
  /** Added to the environment: texts that must not be part of the script. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

export type ShellResult =
  | { readonly kind: 'exit'; readonly code: number; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string; readonly stderr: string }
  | { readonly kind: 'timeout'; readonly stderr: string }
  /** It could not be started. */
  | { readonly kind: 'failed'; readonly why: string };

export type RunShell = (command: ShellCommand) => Promise<ShellResult>;

/** Of what it said on stderr, the last bytes are kept. */
const maxStderrBytes = 4_096;
/** Between SIGTERM and SIGKILL. */
const graceMs = 500;
/** What it left running may hold stderr open: so long is waited for what is still in the pipe. */
const drainMs = 200;

/** What belongs to this process alone, and would make a child speak in its name or start otherwise. */
const ownVariables = /^(?:NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|NODE_\w+|CREDENTIALS_DIRECTORY|INVOCATION_ID|JOURNAL_STREAM|f2bV_\w+)$/;

/** What commands see of the environment. */
export function environmentForActions(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined && !ownVariables.test(name)) kept[name] = value;
  kept['PATH'] ??= '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return kept;
}

/**
 * Runs commands as fail2ban does: by /bin/sh, in a process group of its own, without stdin. What it prints is not read, save for the end of stderr. It has
 * ended when the shell has: what it started in the background goes on.
 */
export function createShellRunner(environment: Readonly<Record<string, string>>): RunShell {
  return async ({ script, variables, timeoutMs, signal }) => {
    if (signal.aborted) return { kind: 'timeout', stderr: '' };
    const child = execa('/bin/sh', ['-c', script], {
      cwd: '/',
      env: { ...environment, ...variables },
      extendEnv: false,
      detached: true,
      cleanup: false,
      stdio: ['ignore', 'ignore', 'pipe'],
      buffer: false,
      reject: false,
    });
    let stderr: Buffer = Buffer.alloc(0);
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-maxStderrBytes);
    });
    const drained = new Promise<void>((resolve) => child.stderr.once('close', resolve));
    const ended = new Promise<{ readonly code: number | null; readonly signal: string | null } | undefined>((resolve) => {
      child.nodeChildProcess.once('exit', (code, by) => resolve({ code, signal: by }));
      // Only where there is no child at all does the promise come first.
      void child.then(() => resolve(undefined));
    });

    let isLate = false;
    const kill = (by: 'SIGTERM' | 'SIGKILL') => {
      isLate = true;
      killGroup(child.pid, by);
    };
    const terms = setTimeout(() => kill('SIGTERM'), timeoutMs);
    const kills = setTimeout(() => kill('SIGKILL'), timeoutMs + graceMs);
    const abort = () => kill('SIGKILL');
    signal.addEventListener('abort', abort, { once: true });
    const end = await ended;
    clearTimeout(terms);
    clearTimeout(kills);
    signal.removeEventListener('abort', abort);
    // The shell is gone; those of its group that did not listen to SIGTERM are not.
    if (isLate) killGroup(child.pid, 'SIGKILL');

    if (end === undefined) return { kind: 'failed', why: (await child).shortMessage ?? '/bin/sh could not be started' };
    if (end.code !== 0) await Promise.race([drained, delay(drainMs)]);
    child.stderr.destroy();
    const said = stderr.toString().trim();
    if (isLate) return { kind: 'timeout', stderr: said };
    return end.code === null ? { kind: 'killed', signal: end.signal ?? '', stderr: said } : { kind: 'exit', code: end.code, stderr: said };
  };
}

function killGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** In words for a person. @returns undefined for success */
export function whyFailed(result: ShellResult, timeoutMs: number): string | undefined {
  switch (result.kind) {
    case 'exit':
      return result.code === 0 ? undefined : withStderr(`exit code ${result.code}${hintOf(result.code)}`, result.stderr);
    case 'killed':
      return withStderr(`ended by ${result.signal}`, result.stderr);
    case 'timeout':
      return withStderr(`ended after ${timeoutMs / 1_000} s`, result.stderr);
    case 'failed':
      return result.why;
  }
}

function hintOf(code: number): string {
  return code === 127 ? ' (a program is not installed, or not in PATH)' : code === 126 ? ' (a program may not be run)' : '';
}

function withStderr(what: string, stderr: string): string {
  return stderr === '' ? what : `${what}: ${stderr}`;
}
