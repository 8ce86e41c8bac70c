import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { program } from '../environment.ts';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs bin/sluice as a user does: no terminal, Berlin's time, an environment that points to no daemon of this machine.
 *
 * @param onStdout may send a signal when something has come
 */
export function runSluice(
  words: readonly string[],
  {
    env = {},
    namespace,
    input = '',
    onStdout = () => undefined,
  }: {
    readonly env?: Readonly<Record<string, string>>;
    /** Network namespace to run in. */
    readonly namespace?: string;
    readonly input?: string | Buffer;
    readonly onStdout?: (soFar: string, kill: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const [command, ...before] = namespace === undefined ? [sluice] : [program('ip') ?? 'ip', 'netns', 'exec', namespace, sluice];
    const child = spawn(command, [...before, ...words], {
      env: { PATH: process.env['PATH'] ?? '', TZ: 'Europe/Berlin', SLUICE_SOCKET: '/nonexistent/sluice.sock', ...env },
      stdio: 'pipe',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onStdout(stdout, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    // A command that needs no input may be gone before it is written.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
