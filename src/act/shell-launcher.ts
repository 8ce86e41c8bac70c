import { randomUUID } from 'node:crypto';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { execa } from 'execa';
import type { RunShell, ShellCommand, ShellResult } from './shell-run.ts';

/**
 * A small shell that starts the commands: a fork from a process of 600 MB stops the event loop for a tenth of a second, from this one for nothing.
 *
 * It reads `NUMBER VARIABLE...` from stdin, and finds the script and the values in files, so that no text passes through a line that a shell reads. Each
 * command becomes a session of its own, and inherits stderr, which is ours; the mark behind it says that all has been read. The end of stdin ends the
 * shell and its files, also after kill -9.
 */
const loop = `
dir=$1 mark=$2 start=$3 setsid=$4
while read -r n names; do
  "$setsid" /bin/sh -c "$start" /bin/sh "$dir/$n" $names </dev/null >/dev/null &
  echo "p $!"
  wait $! 2>/dev/null
  code=$?
  echo "$mark" >&2
  echo "r $code"
done
/bin/rm -rf "$dir"`;

/** The dot keeps line ends, which a substitution would take away. */
const start = `
file=$1
shift
for name do
  value=$(/bin/cat "$file.$name"; echo .)
  export "$name=\${value%.}"
done
script=$(/bin/cat "$file.sh"; echo .)
exec /bin/sh -c "\${script%.}"`;

/** Of what a command says on stderr, the last bytes are kept. */
const maxStderrBytes = 4_096;
/** Between SIGTERM and SIGKILL. */
const graceMs = 500;
/** The mark comes at once, unless the command has closed stderr's other end. */
const markMs = 200;
const killedBy = 128;

/** The shell is not kept for longer when nothing is to be run. */
const idleMs = 60_000;

function startShell(run: typeof execa, environment: Readonly<Record<string, string>>, dir: string, mark: string) {
  return run('/bin/sh', ['-c', loop, 'sluice-act', dir, mark, start, findSetsid()], {
    cwd: '/',
    env: { ...environment },
    extendEnv: false,
    // Ctrl-C in a terminal is for the daemon, which stops in order.
    detached: true,
    cleanup: false,
    stdio: ['pipe', 'pipe', 'pipe'],
    buffer: false,
    reject: false,
  });
}

interface Launcher {
  readonly child: ReturnType<typeof startShell>;
  readonly dir: string;
  readonly mark: string;
  /** Kept between commands: what one left running may speak later. */
  stderr: Buffer;
  pid: number | undefined;
  onLine: (line: string) => void;
  onMark: () => void;
  /** Resolves when it has ended, which it should not. */
  readonly ended: Promise<void>;
}

/**
 * Runs commands as fail2ban does: by /bin/sh, in a process group of its own, without stdin; stdout is not read. It has ended when the shell has: what it
 * started in the background goes on. One after the other.
 */
export function createShellRunner(environment: Readonly<Record<string, string>>): RunShell {
  let launcher: Launcher | undefined;
  let number = 0;
  let idle: NodeJS.Timeout | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const runNow = async (command: ShellCommand): Promise<ShellResult> => {
    if (command.signal.aborted) return { kind: 'timeout', stderr: '' };
    try {
      clearTimeout(idle);
      const current = (launcher ??= await launch(environment));
      // It may have been called off meanwhile.
      if (command.signal.aborted) return { kind: 'timeout', stderr: '' };
      const result = await runIn(current, ++number, command);
      if (result.kind === 'failed') launcher = undefined;
      idle = setTimeout(() => {
        launcher = undefined;
        current.child.stdin.end();
      }, idleMs).unref();
      return result;
    } catch (error) {
      return { kind: 'failed', why: `cannot be started: ${error instanceof Error ? error.message : String(error)}` };
    }
  };

  return async (command) => {
    const running = last.then(async () => runNow(command));
    last = running;
    return running;
  };
}

async function launch(environment: Readonly<Record<string, string>>): Promise<Launcher> {
  // Loaded here: its modules take 60 ms of a start, and most have no such commands.
  const { execa } = await import('execa');
  const dir = mkdtempSync(join(tmpdir(), 'sluice-act-'));
  const mark = randomUUID();
  const child = startShell(execa, environment, dir, mark);
  const ended = child.then(() => rmSync(dir, { recursive: true, force: true }));
  const launcher: Launcher = { child, dir, mark, stderr: Buffer.alloc(0), pid: undefined, onLine: nothing, onMark: nothing, ended };
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) launcher.onLine(line);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    const all = Buffer.concat([launcher.stderr, chunk]);
    const at = all.indexOf(mark);
    launcher.stderr = (at === -1 ? all : all.subarray(0, at)).subarray(-maxStderrBytes);
    if (at !== -1) launcher.onMark();
  });
  // One that is gone, and cannot be written to, ends what runs: see ended.
  child.stdin.on('error', nothing);
  // It does not keep the process alive; the limit of time of a command does.
  child.nodeChildProcess.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr])
    if ('unref' in stream && typeof stream.unref === 'function') stream.unref();
  return launcher;
}

async function runIn(launcher: Launcher, number: number, { script, variables, timeoutMs, signal }: ShellCommand): Promise<ShellResult> {
  const { child, dir } = launcher;
  const names = Object.keys(variables);
  const files = [...names.map((name) => [`${number}.${name}`, variables[name] ?? ''] as const), [`${number}.sh`, script] as const];
  for (const [name, text] of files) writeFileSync(join(dir, name), text, { mode: 0o600 });
  launcher.stderr = Buffer.alloc(0);
  launcher.pid = undefined;

  let isLate = false;
  let wanted: 'SIGTERM' | 'SIGKILL' | undefined;
  const kill = (by: 'SIGTERM' | 'SIGKILL') => {
    isLate = true;
    wanted = by;
    killGroup(launcher.pid, by);
  };
  const marked = new Promise<void>((resolve) => {
    launcher.onMark = resolve;
  });
  const exited = new Promise<number>((resolve) => {
    launcher.onLine = (line) => {
      const [kind, value] = line.split(' ');
      if (kind === 'r') resolve(Number(value));
      else launcher.pid = Number(value);
      if (kind === 'p' && wanted !== undefined) killGroup(launcher.pid, wanted);
    };
  });
  const terms = setTimeout(() => kill('SIGTERM'), timeoutMs);
  const kills = setTimeout(() => kill('SIGKILL'), timeoutMs + graceMs);
  const abort = () => kill('SIGKILL');
  signal.addEventListener('abort', abort, { once: true });
  child.stdin.write(`${[number, ...names].join(' ')}\n`);
  const code = await Promise.race([exited, launcher.ended.then(() => undefined)]);
  clearTimeout(terms);
  clearTimeout(kills);
  signal.removeEventListener('abort', abort);
  // The shell is gone; those of its group that did not listen to SIGTERM are not.
  if (isLate) killGroup(launcher.pid, 'SIGKILL');
  if (code === undefined) return { kind: 'failed', why: 'the shell that starts commands has ended' };
  await Promise.race([marked, delay(markMs)]);
  for (const [name] of files) rmSync(join(dir, name), { force: true });

  const stderr = launcher.stderr.toString().trim();
  if (isLate) return { kind: 'timeout', stderr };
  return code > killedBy ? { kind: 'killed', signal: `signal ${code - killedBy}`, stderr } : { kind: 'exit', code, stderr };
}

function killGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch {
      // Not yet a group of its own, or gone.
    }
  }
}

function findSetsid(): string {
  const found = ['/usr/bin/setsid', '/bin/setsid', '/usr/local/bin/setsid'].find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error('setsid is not installed (Debian: util-linux)');
  return found;
}

const nothing = (): void => {};
