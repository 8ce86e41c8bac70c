import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { type ControlClient, createClient } from '../src/control/client.ts';
import type { NetworkPair } from '../test/support/netns.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The compiled daemon. Unlike that of the tests it has nobody who follows its events: that would cost more than the lines. */
export interface MeasuredDaemon {
  readonly pid: number;
  readonly ask: ControlClient;
  /** When it first said something with these words, by performance.now(); undefined: not yet. Its first 100 lines are kept. */
  readonly saidAt: (words: string) => number | undefined;
  readonly stop: () => Promise<void>;
}

/** Starts it in the `host` namespace. @returns once it says that it is ready @throws if it has not in two minutes */
export async function startDaemon(network: NetworkPair, yaml: string): Promise<MeasuredDaemon> {
  const directory = join(network.directory, 'sluice');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const socket = join(directory, 'run', 'control.sock');
  const config = join(directory, 'sluice.yaml');
  writeFileSync(config, `${yaml}\ncontrol: { socket: ${socket} }\nstate: { path: ${join(directory, 'sluice.db')} }\n`);
  return begin(network, ['run', '-c', config], socket, {});
}

/** With no configuration at all; its state and its socket are private all the same. */
export function startBuiltIn(network: NetworkPair): Promise<MeasuredDaemon> {
  const directory = join(network.directory, 'sluice');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return begin(network, ['run'], join(directory, 'control.sock'), { STATE_DIRECTORY: directory, RUNTIME_DIRECTORY: directory });
}

async function begin(
  network: NetworkPair,
  args: readonly string[],
  socket: string,
  environment: Readonly<Record<string, string>>,
): Promise<MeasuredDaemon> {
  // ip netns exec and with-node become the program, so that the pid is the daemon's.
  // The options are those of bin/sluice.
  const command = [join(root, 'scripts/with-node'), '--max-semi-space-size=16', '--v8-pool-size=2', join(root, 'dist/cli.js'), ...args];
  const daemon = spawn('ip', ['netns', 'exec', network.host.name, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const ended = once(daemon, 'exit');
  if (daemon.pid === undefined) throw new Error('the daemon was not started');
  const lines = createInterface({ input: daemon.stderr });
  const said: { readonly line: string; readonly atMs: number }[] = [];
  const text = (): string => said.map(({ line }) => line).join('\n');
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      // Bans that are put back come by the hundred.
      if (said.length < 100 && !line.includes('] Restore Ban ')) said.push({ line, atMs: performance.now() });
      if (line.includes('  then: sluice status')) resolve();
    });
    setTimeout(() => reject(new Error(`the daemon is not ready after 120 s:\n${text()}`)), 120_000).unref();
    lines.once('close', () => reject(new Error(`the daemon ended:\n${text()}`)));
  });
  return {
    pid: daemon.pid,
    ask: createClient([socket]),
    saidAt: (words) => said.find(({ line }) => line.includes(words))?.atMs,
    stop: async () => {
      daemon.kill();
      await ended;
    },
  };
}
