import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ControlClient, createClient } from '../../src/control/client.ts';
import type { BanList, Status } from '../../src/control/protocol.ts';
import { formatSubject } from '../../src/model/address.ts';
import type { Namespace } from '../support/netns.ts';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const patienceMs = 60_000;

/** One life of a daemon after another, all with the same state. */
export interface Lives {
  readonly begin: () => Life;
  /** What is stored, once no daemon runs. */
  readonly stored: () => Stored;
}

export interface Life {
  /** Resolves when the daemon says that it reads and bans. @throws with its log if it ends before that */
  readonly ready: Promise<void>;
  readonly log: () => string;
  /** The bans that it answers with. */
  readonly bans: () => Promise<BanList['bans']>;
  /** Resolves once both jails hold the address. @throws after a minute, with the log */
  readonly untilBanned: (address: string) => Promise<void>;
  /** Resolves once something was read. */
  readonly untilRead: () => Promise<void>;
  /** Asks for its status until it fits. @throws after a minute, with the last one and the log */
  readonly status: (fits: (status: Status) => boolean) => Promise<Status>;
  readonly ask: ControlClient;
  readonly pid: number;
  readonly end: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>;
}

/** Rows as text, sorted. */
export interface Stored {
  /** `jail subject until`, ms. */
  readonly bans: readonly string[];
  /** `jail subject failures...`, ms. */
  readonly windows: readonly string[];
}

/**
 * @param host the namespace in which it bans; undefined: it runs here and observes
 * @param under a command that runs the daemon, such as `prlimit --nofile=64`; `environment` goes with it
 */
export function livesIn(
  directory: string,
  yaml: string,
  host: Namespace | undefined,
  { under = [], environment = {} }: { readonly under?: readonly string[]; readonly environment?: NodeJS.ProcessEnv } = {},
): Lives {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const config = join(directory, 'sluice.yaml');
  const socket = join(directory, 'run', 'control.sock');
  const database = join(directory, 'sluice.db');
  const mode = host === undefined ? 'enforce: { mode: observe }' : '';
  writeFileSync(config, `${yaml}\n${mode}\nmetrics: off\ncontrol: { socket: ${socket} }\nstate: { path: ${database} }\n`);
  const [file, ...args] = [
    ...(host === undefined ? [] : ['nsenter', `--net=/run/netns/${host.name}`]),
    ...under,
    sluice,
    'run',
    '-c',
    config,
  ];
  return {
    begin: () => {
      // nsenter and the scripts replace themselves: the process that is killed is the daemon itself.
      const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } });
      return lifeOf(child, socket);
    },
    stored: () => readStored(database),
  };
}

function lifeOf(child: ChildProcess, socket: string): Life {
  const { stderr, pid } = child;
  if (stderr === null || pid === undefined) throw new Error('the daemon was not started');
  const lines: string[] = [];
  const log = () => lines.join('\n');
  const tail = () => lines.slice(-50).join('\n');
  const ended = once(child, 'exit').then(() => child.exitCode);
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: stderr }).on('line', (line) => {
      lines.push(line);
      if (line.includes('  then: sluice status')) resolve();
    });
    void ended.then((code) => reject(new Error(`the daemon ended with ${code}:\n${tail()}`)));
  });
  ready.catch(() => undefined); // many are killed before
  const client = createClient([socket]);
  const bans = async () => (await client.get<BanList>('/v1/bans')).bans;
  const status: Life['status'] = async (fits) => {
    await ready;
    const endMs = Date.now() + patienceMs;
    for (;;) {
      const now = await client.get<Status>('/v1/status');
      if (fits(now)) return now;
      if (Date.now() > endMs) throw new Error(`the status is not as wanted: ${JSON.stringify(now)}\nlog:\n${tail()}`);
      await pause(20); // counters tell nobody when they move
    }
  };
  return {
    ready,
    log,
    bans,
    status,
    untilRead: async () => void (await status(({ sources }) => sources.some(({ records }) => records > 0))),
    ask: client,
    pid,
    untilBanned: async (address) => {
      await ready;
      const endMs = Date.now() + patienceMs;
      for (;;) {
        const holding = (await bans()).filter(({ subject }) => formatSubject(subject) === address);
        if (holding.length === 2) return;
        if (Date.now() > endMs) throw new Error(`${address} is held by ${holding.length} jails of 2; log:\n${tail()}`);
        await pause(20); // the events of a life that was killed are gone: ask
      }
    },
    end: async (signal) => {
      child.kill(signal);
      return await ended;
    },
  };
}

function readStored(path: string): Stored {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = (query: string) => database.prepare(query).all();
    const failures = (value: unknown): number[] => (value instanceof Uint8Array ? [...new Float64Array(value.slice().buffer)] : []);
    return {
      bans: rows('SELECT * FROM bans')
        .map((row) => `${String(row['jail'])} ${String(row['subject'])} ${String(row['until_ms'])}`)
        .toSorted(),
      windows: rows('SELECT * FROM windows')
        .map((row) => `${String(row['jail'])} ${String(row['subject'])} ${failures(row['failures']).join(' ')}`)
        .toSorted(),
    };
  } finally {
    database.close();
  }
}
