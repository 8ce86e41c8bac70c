import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import { type ControlClient, createClient } from '../../src/control/client.ts';
import type { DaemonEvent } from '../../src/control/event.ts';
import type { Status } from '../../src/control/protocol.ts';
import type { NetworkPair } from './netns.ts';

const ofCheckout = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

/** A real daemon, started as an administrator would, in the `host` namespace of a network or on this machine. */
export interface RunningDaemon {
  /** Everything that it wrote to stderr so far. */
  readonly log: () => string;
  /** Runs a command of the command line against it. */
  readonly command: (
    ...args: readonly string[]
  ) => Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number | undefined }>;
  /** The first event from now on, or one that came already and was not asked for, that fits. @throws after 20 s, with the log */
  readonly event: (fits: (event: DaemonEvent) => boolean) => Promise<DaemonEvent>;
  /** Asks its control socket without starting a command. */
  readonly ask: ControlClient;
  /** Asks for its status until it fits. @throws after 20 s, with the last one and the log */
  readonly status: (fits: (status: Status) => boolean) => Promise<Status>;
  /** Writes another configuration in place of the first; nobody tells the daemon. */
  readonly configure: (yaml: string) => void;
  readonly pid: number;
  /** @returns its exit code */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | undefined>;
}

/**
 * Starts `sluice run` with the configuration given and waits until it says that it is ready. `control` and `state` are added, in a
 * private folder below `directory`.
 *
 * @param sluice the program
 */
export async function startSluice(
  network: Pick<NetworkPair, 'directory'> & { readonly host?: NetworkPair['host'] },
  yaml: string,
  sluice = ofCheckout,
): Promise<RunningDaemon> {
  const directory = join(network.directory, 'sluice');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const config = join(directory, 'sluice.yaml');
  const socket = join(directory, 'run', 'control.sock');
  const configure = (text: string): void =>
    writeFileSync(config, `${text}\ncontrol: { socket: ${socket} }\nstate: { path: ${join(directory, 'sluice.db')} }\n`);
  configure(yaml);
  const inside = (command: readonly string[]): readonly string[] =>
    network.host === undefined ? command : ['nsenter', `--net=/run/netns/${network.host.name}`, ...command];
  const [file = '', ...args] = inside([sluice, 'run', '-c', config]);
  const daemon = execa(file, args, { reject: false, stdin: 'ignore', buffer: false });
  const lines: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    const reader = createInterface({ input: daemon.stderr });
    reader.on('line', (line) => {
      lines.push(line);
      if (line.includes('  then: sluice status')) resolve();
    });
    reader.on('close', () => reject(new Error(`sluice ended:\n${lines.join('\n')}`)));
  });
  await ready;

  const command = async (...given: readonly string[]) => {
    const [program = '', ...rest] = inside([sluice, ...given, '--socket', socket]);
    const { stdout, stderr, exitCode } = await execa(program, rest, { reject: false, stdin: 'ignore' });
    return { stdout, stderr, exitCode };
  };
  const ask = createClient([socket]);
  const status: RunningDaemon['status'] = async (fits) => {
    const endMs = Date.now() + patienceMs;
    for (;;) {
      const now = await ask.get<Status>('/v1/status');
      if (fits(now)) return now;
      if (Date.now() > endMs) throw new Error(`the status is not as wanted: ${JSON.stringify(now)}\nlog:\n${lines.join('\n')}`);
      await pause(20); // counters tell nobody when they move
    }
  };
  const follower = followEvents(inside([sluice, 'events', '-f', '-n', '1000', '--json', '--socket', socket]));
  return {
    log: () => lines.join('\n'),
    command,
    event: (fits) => follower.next(fits, () => lines.join('\n')),
    ask,
    status,
    configure,
    pid: daemon.pid ?? 0,
    stop: async (signal = 'SIGTERM') => {
      follower.stop();
      daemon.kill(signal);
      return (await daemon).exitCode;
    },
  };
}

const patienceMs = 20_000;

function followEvents([file = '', ...args]: readonly string[]) {
  const child = execa(file, args, { reject: false, stdin: 'ignore', buffer: false });
  const seen: DaemonEvent[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event: DaemonEvent = JSON.parse(line);
    seen.push(event);
    for (const look of waiting) look();
  });
  return {
    next: (fits: (event: DaemonEvent) => boolean, log: () => string) =>
      new Promise<DaemonEvent>((resolve, reject) => {
        const limit = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`no such event within ${patienceMs / 1_000} s; events: ${JSON.stringify(seen)}\nlog:\n${log()}`));
        }, patienceMs);
        const look = (): void => {
          const index = seen.findIndex(fits);
          const [found] = index === -1 ? [] : seen.splice(index, 1);
          if (found === undefined) return;
          clearTimeout(limit);
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    stop: () => child.kill('SIGKILL'),
  };
}
