import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { formatSubject } from '../../src/model/address.ts';
import { program, without } from '../environment.ts';
import { cgroups, type Journald, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';
import { type Fault, faults, type Scene } from './faults.ts';
import { livesIn } from './lives.ts';
import { forwarded, offenderAt } from './load-client.ts';
import { ordinaryLines, randomFrom, refusal } from './offenders.ts';
import { rotatedLog } from './rotated-log.ts';
import type { LoadRequest } from './soak-load.ts';
import { residentMb } from './watched-life.ts';

/**
 * Mixed load over every way, with known offenders in it, while one random fault follows the other. In the end every offender was banned, nobody
 * else was, the kernel holds what `sluice list` says, and memory did not grow.
 *
 * `SLUICE_SOAK_SECONDS=1800` is the long form (npm run soak), `SLUICE_SOAK_RATE` its ordinary lines per second, `SLUICE_SEED` repeats a run
 * as far as chance goes. The daemon is killed in the first half only: the second is one life, whose memory is watched.
 */
const seconds = Number(process.env['SLUICE_SOAK_SECONDS'] ?? 45);
const linesPerSecond = Number(process.env['SLUICE_SOAK_RATE'] ?? 4_000);
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1e9);
const skip = without('root', 'nft', 'ip', 'nsenter', 'unshare');

/** An offender fails as often as leads to a ban, a victim once less: one failure lost or counted twice is seen. */
const maxretry = 3;
const ways = ['file', 'journal', 'tcp', 'udp'] as const;
type Way = (typeof ways)[number];
/** Named in every place that a client fills. */
const victim = '203.0.113.66';
const tickMs = 200;

describe(`a soak of ${seconds} s (SLUICE_SEED=${seed})`, { skip, timeout: (seconds + 240) * 1_000 }, () => {
  test('mixed load and random faults: every offender is banned, nobody else, and nothing grows', async (t) => {
    const random = randomFrom(seed);
    const soak = await begin(t, random);
    const { scene } = soak;
    const caused = new Map<string, number>();
    const startMs = performance.now();
    const elapsed = (): number => (performance.now() - startMs) / 1_000;
    const over = new AbortController();

    const work = async (): Promise<void> => {
      for (let tick = 0; elapsed() < seconds || soak.waits(); tick++) {
        if (elapsed() < seconds) soak.invent(tick);
        await soak.say(tick);
        await pause(tickMs); // the pace of the load
      }
    };
    const disturb = async (): Promise<void> => {
      while (elapsed() < seconds) {
        await pause(500 + random() * 2_000); // the pace of the faults
        const possible = faults.filter((fault) => (fault.ends !== true || elapsed() < seconds / 2) && fault.possible?.(scene) !== false);
        const fault: Fault | undefined = possible[Math.floor(random() * possible.length)];
        if (fault === undefined) continue;
        caused.set(fault.name, (caused.get(fault.name) ?? 0) + 1);
        await fault.cause(scene).catch((cause: unknown) => {
          throw new Error(`${fault.name} after ${elapsed().toFixed(1)} s; log:\n${scene.life().log().split('\n').slice(-80).join('\n')}`, {
            cause,
          });
        });
      }
    };
    const rss: { readonly atS: number; readonly mb: number }[] = [];
    const answersMs: number[] = [];
    const watch = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const { pid, ask } = scene.life();
        const askedMs = performance.now();
        try {
          await ask.get('/v1/ping');
          answersMs.push(performance.now() - askedMs);
          rss.push({ atS: elapsed(), mb: residentMb(pid) });
        } catch {
          // It has just been killed, or its control socket is flooded.
        }
        await pause(200); // how often it is looked at
      }
    };
    const watching = watch();
    try {
      await Promise.all([work(), disturb()]);
    } finally {
      over.abort();
      await watching;
    }
    const half = rss.filter(({ atS }) => atS > seconds / 2);
    const [third, fourth] = [0.5, 0.75].map((from) =>
      median(half.filter(({ atS }) => atS > from * seconds && atS <= (from + 0.25) * seconds).map(({ mb }) => mb)),
    ) as [number, number];
    const answers = answersMs.toSorted((a, b) => a - b);
    const answer = (share: number): string => (answers[Math.min(answers.length - 1, Math.floor(share * answers.length))] ?? 0).toFixed(0);
    t.diagnostic(`faults: ${[...caused].map(([name, times]) => `${name} ${times}`).join(', ')}`);
    t.diagnostic(
      `memory: median ${third} MB in the third quarter, ${fourth} MB in the fourth, ${Math.max(...rss.map(({ mb }) => mb))} MB at most`,
    );
    t.diagnostic(`${answers.length} pings: p50 ${answer(0.5)}, p99 ${answer(0.99)}, max ${answer(1)} ms`);
    await soak.settled();
    const { sent } = await soak.end();
    t.diagnostic(`${sent.toLocaleString('en')} lines over TCP, beside file, journal and UDP; ${soak.offenders()} offenders`);
    // A run of seconds still warms up.
    const growth = seconds >= 600 ? third * 1.1 + 5 : third * 1.5 + 50;
    assert.ok(fourth <= growth, `memory grew from ${third} MB to ${fourth} MB`);
  });
});

interface Soak {
  readonly scene: Scene;
  /** New offenders and victims, and when what of them is said. */
  readonly invent: (tick: number) => void;
  readonly say: (tick: number) => Promise<void>;
  /** Something is still to be said. */
  readonly waits: () => boolean;
  readonly offenders: () => number;
  /** Resolves once all is as it must be. @throws after half a minute, with what is not */
  readonly settled: () => Promise<void>;
  readonly end: () => Promise<{ readonly sent: number }>;
}

async function begin(t: TestContext, random: () => number): Promise<Soak> {
  const network = createNetworkPair();
  t.after(network.remove);
  const { directory, host } = network;
  let journald: Journald | undefined;
  if (withoutJournald() === false) {
    journald = await startJournald(['RateLimitIntervalSec=0', 'SystemMaxUse=64M', 'SystemMaxFileSize=8M']);
    t.after(journald.stop);
  } else t.diagnostic('without a journal');
  const logs = join(directory, 'log');
  mkdirSync(logs);
  const log = rotatedLog(join(logs, 'mail.log'), 4);
  const state = join(directory, 'daemon');
  const port = 5514;
  const yaml = `
sources:
  own: journal
  journal: ${journald === undefined ? '{ enabled: false }' : `{ directory: ${journald.directory}, from: start }`}
  files: [{ path: ${join(logs, 'mail.log')}, from: start }]
  syslog: [{ listen: 'tcp://127.0.0.1:${port}' }, { listen: 'udp://127.0.0.1:${port}' }]
limits: { evidence: 4MiB }
jails: { relay: { filters: [postfix/relay-denied], maxretry: ${maxretry}, findtime: 5m, bantime: 5m, prefix: { ipv6: 64 } } }`;
  const swap = nftSwap(t, network);
  const lives = livesIn(state, yaml, host, { under: swap?.under ?? [] });
  let life = lives.begin();
  t.after(() => life.end('SIGKILL'));
  await life.ready;
  const client = host.start(
    process.execPath,
    '--no-warnings',
    join(import.meta.dirname, 'soak-load.ts'),
    String(port),
    String(linesPerSecond * 0.6),
  );
  const load = (request: LoadRequest): void => void client.stdin?.write(`${JSON.stringify(request)}\n`);
  log.append(fileLines([refusal('2001:db8:0:64::1')]));
  await life.untilRead();

  let down = false;
  const scene: Scene = {
    host,
    life: () => life,
    socket: join(state, 'run', 'control.sock'),
    restart: async (signal) => {
      down = true;
      await life.end(signal);
      await pause(random() * 500); // somebody is down for a while
      life = lives.begin();
      await life.ready;
      down = false;
    },
    nft: swap?.set,
    log,
    load,
    journal: journald,
    random,
    longLineBytes: seconds >= 600 ? 100_000_000 : 10_000_000,
  };

  const due = new Map<number, { readonly way: Way; readonly text: string }[]>();
  const expected = new Set<string>();
  const counts = { offenders: 0, victims: 0 };
  const later = (tick: number, way: Way, text: string): void => void due.set(tick, [...(due.get(tick) ?? []), { way, text }]);
  const within = (from: number, ticks: number): number => from + 1 + Math.floor(random() * ticks);

  const invent = (tick: number): void => {
    for (const [index, way] of ways.entries()) {
      if (way === 'journal' && journald === undefined) continue;
      const block = (index + 1) << 24;
      const safe = way === 'file' || way === 'journal';
      if (random() < 0.3) {
        const address = offenderAt('networks', block + ++counts.offenders);
        expected.add(address);
        // What a killed daemon had been sent over the network is gone: those come again and again.
        for (let round = 0; round < (safe ? 1 : 4); round++)
          for (let failure = 0; failure < maxretry; failure++) later(within(tick + round * 12, 10), way, refusal(address));
      }
      if (random() < 0.3) {
        const address = offenderAt('networks', block + 0x80_00_00 + ++counts.victims);
        for (let failure = 0; failure < maxretry - 1; failure++) later(within(tick, 10), way, refusal(address));
      }
      // Everybody who is refused here is so once: all they say names the same one.
      const attacker = offenderAt('networks', block + 0xc0_00_00 + ++counts.victims);
      const said = `x[${victim}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net>`;
      later(
        within(tick, 10),
        way,
        refusal(attacker).replace('helo=<x>', `helo=<${said}>`).replace('s@example.net', `"from ${said}"@example.net`),
      );
    }
  };

  const say = async (tick: number): Promise<void> => {
    const now = due.get(tick) ?? [];
    due.delete(tick);
    const of = (way: Way): string[] => now.flatMap((each) => (each.way === way ? [each.text] : []));
    log.append(ordinaryLines(Math.round((linesPerSecond * 0.4 * tickMs) / 1_000)) + fileLines(of('file')));
    const atMs = Date.now();
    load({ kind: 'tcp', lines: of('tcp').map((text) => forwarded(text, atMs)) });
    // A datagram to a daemon that is down is gone, and on a busy machine a start takes longer than all that one offender says.
    if (down) for (const text of of('udp')) later(tick + 1, 'udp', text);
    else load({ kind: 'udp', lines: of('udp').map((text) => forwarded(text, atMs)) });
    await journald?.log(of('journal'), { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
  };

  const settled = async (): Promise<void> => {
    const wanted = [...expected].map(networkOf).toSorted();
    for (let tries = 0; ; tries++) {
      const known = everBanned(join(state, 'sluice.db')).toSorted();
      const list = (await life.bans()).map(({ subject }) => formatSubject(subject).replace('/64', '')).toSorted();
      const kernel = [...host.run('nft', 'list', 'table', 'inet', 'sluice').matchAll(/([0-9a-f.:]+) timeout/g)]
        .map(([, address = '']) => address)
        .toSorted();
      const same = (one: readonly unknown[], other: readonly unknown[]): boolean =>
        one.length === other.length && one.every((each, index) => each === other[index]);
      if (same(known, wanted) && same(kernel, list)) {
        assert.equal(new Set(list).size, list.length);
        return;
      }
      if (tries < 60) {
        await pause(500); // nobody tells when the kernel has the last of them
        continue;
      }
      assert.deepEqual(
        difference(known, wanted),
        { more: [], missing: [] },
        `who was ever banned; log:\n${life
          .log()
          .split('\n')
          .filter((line) => !/ Found | Ban | Unban /.test(line))
          .slice(-100)
          .join('\n')}`,
      );
      assert.deepEqual(difference(kernel, list), { more: [], missing: [] }, 'what the kernel has, and sluice list');
    }
  };
  return {
    scene,
    invent,
    say,
    waits: () => due.size > 0,
    offenders: () => expected.size,
    settled,
    end: async () => {
      if (client.stdout === null) throw new Error('the client has no stdout');
      const said = once(client.stdout, 'data');
      client.stdin?.end();
      const result: { sent: number } = JSON.parse(String((await said)[0]));
      assert.equal(await life.end('SIGTERM'), 0, life.log());
      return result;
    },
  };
}

/** As a daemon of this host writes into a file of its own: with another host's name, since this host's lines come by the journal. */
function fileLines(texts: readonly string[]): string {
  return texts.map((text) => `${new Date().toISOString()} mx postfix/smtpd[4711]: ${text}\n`).join('');
}

/** Subjects that are banned or were, as the store has them, without their /64. */
function everBanned(path: string): readonly string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare('SELECT subject FROM bans UNION SELECT subject FROM past_bans').all();
    return rows.map((row) => String(row['subject']).replace('/64', ''));
  } finally {
    database.close();
  }
}

/** 2001:db8:1:2::1 -> 2001:db8:1:2:: */
function networkOf(address: string): string {
  return address.replace(/1$/, '');
}

function difference(found: readonly unknown[], wanted: readonly unknown[]) {
  const [has, wants] = [new Set(found), new Set(wanted)];
  return { more: found.filter((each) => !wants.has(each)).slice(0, 20), missing: wanted.filter((each) => !has.has(each)).slice(0, 20) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** The daemon sees another nft in the place of the real one, which does as a file says. @returns undefined where we may not mount */
function nftSwap(
  t: TestContext,
  { directory }: NetworkPair,
): { readonly under: readonly string[]; readonly set: NonNullable<Scene['nft']> } | undefined {
  const real = realpathSync(program('nft') ?? 'nft');
  const [copy, swapped, mode] = ['nft-real', 'nft-swapped', 'nft-mode'].map((name) => join(directory, name)) as [string, string, string];
  copyFileSync(real, copy);
  writeFileSync(
    swapped,
    `#!/bin/sh
read -r mode <${mode}
case $mode in
  fail) echo 'Error: Could not process rule: Operation not permitted' >&2; exit 1 ;;
  slow) sleep 1 ;;
esac
exec ${copy} "$@"\n`,
  );
  for (const file of [copy, swapped]) chmodSync(file, 0o755);
  const set = (how: 'ok' | 'fail' | 'slow'): void => writeFileSync(mode, `${how}\n`);
  set('ok');
  const under = ['unshare', '--mount', '/bin/sh', '-c', `mount --bind ${swapped} ${real} && exec "$@"`, 'sh'];
  try {
    execFileSync(under[0] ?? '', [...under.slice(1), 'true'], { stdio: 'ignore' });
  } catch {
    t.diagnostic('left out: an nft that fails or is slow (mount is not permitted here)');
    return undefined;
  }
  return { under, set };
}
