import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { without } from '../environment.ts';
import { createNetworkPair, type Namespace } from '../support/netns.ts';
import { type Life, livesIn } from './lives.ts';
import type { Kind } from './load-client.ts';
import { type Watched, watchLife } from './watched-life.ts';

/**
 * What one sender, or many, can make the daemon cost. It must stay within its memory, answer at once, and serve the honest ones beside.
 *
 * `SLUICE_BOUNDS=full` makes it the long form (npm run bounds), which also holds the daemon to its times; in a suite that shares two processors
 * with everything else these only must not be beyond all measure.
 */
const full = process.env['SLUICE_BOUNDS'] === 'full';
const answers = full ? { p99Ms: 50, maxMs: 250 } : { p99Ms: 500, maxMs: 2_000 };
const skip = without('root', 'nft', 'ip', 'nsenter');
/** An honest offender that a busy daemon must not overlook. */
const offender = '203.0.113.77';

describe(`at its bounds (${full ? 'full' : 'short'} form)`, { skip, timeout: full ? 900_000 : 110_000 }, () => {
  const networks = full ? 2_000_000 : 120_000;
  const subjects = full ? 1_000_000 : 40_000;
  test(`${networks.toLocaleString('en')} IPv6 networks that fail once each: the oldest are forgotten and counted`, async (t) => {
    const { life, send, watch } = await begin(t, `limits: { subjects: ${subjects}, connections: 100 }`, 5);
    // Who failed more often than the flood is not pushed out by it.
    await send({ kind: 'offenders', of: 'one_network', first: 1, count: 1, times: 4 });
    const seen = await watch(async () => {
      await send({ kind: 'offenders', of: 'networks', first: 100, count: networks, times: 1 });
      await read(life, 4 + networks);
    });
    t.diagnostic(seen.shown);
    await isServed(life, send);
    const page = await life.ask.text('/v1/metrics');
    const evicted = Number(/^sluice_jail_evictions_total\{jail="relay"\} (\d+)$/m.exec(page)?.[1]);
    // The network that failed four times and the address that was just banned are beside them, or were.
    assert.ok(Math.abs(evicted - (networks - subjects)) <= 2, `${evicted} evictions`);
    await send({ kind: 'offenders', of: 'one_network', first: 2, count: 1, times: 1 });
    await life.status(({ jails }) => jails.some(({ bansNow }) => bansNow === 2));
    within(seen, { rssMb: full ? 1_200 : 450 });
  });

  const rotating = full ? 1_000_000 : 60_000;
  test(`one /64 that speaks from ${rotating.toLocaleString('en')} addresses is one subject: banned once`, async (t) => {
    const { life, send, watch } = await begin(t, '', 5);
    const seen = await watch(async () => {
      await send({ kind: 'offenders', of: 'one_network', first: 1, count: rotating, times: 1 });
      await read(life, rotating);
    });
    t.diagnostic(seen.shown);
    const { jails } = await life.status(() => true);
    const relay = jails.find(({ name }) => name === 'relay');
    assert.deepEqual([relay?.bansTotal, relay?.tracked, relay?.failures], [1, 0, 5]);
    await isServed(life, send);
    within(seen, { rssMb: full ? 500 : 350 });
  });

  const banned = full ? 200_000 : 10_000;
  test(`${banned.toLocaleString('en')} IPv6 networks that are banned at once`, async (t) => {
    const { life, host, send, watch } = await begin(t, '', 1);
    const seen = await watch(async () => {
      await send({ kind: 'offenders', of: 'networks', first: 100, count: banned, times: 1 });
      await life.status(({ jails }) => jails.some(({ bansNow }) => bansNow === banned));
    });
    t.diagnostic(seen.shown);
    assert.equal(host.run('nft', 'list', 'table', 'inet', 'sluice').match(/ expires /g)?.length, banned);
    within(seen, { rssMb: full ? 900 : 400 });
  });

  const idle = full ? 10_000 : 2_000;
  // Node takes as many descriptors as it may have.
  const tooFew = maxDescriptors() < idle + 500 ? `left out: needs ${idle + 500} file descriptors (ulimit -Hn)` : false;
  test(`${idle.toLocaleString('en')} connections that say nothing, and one that sends a byte a second`, { skip: tooFew }, async (t) => {
    const { life, send, watch, start } = await begin(t, `limits: { connections: ${idle + 2} }`, 5);
    const seen = await watch(async () => {
      await start({ kind: 'slow', address: '203.0.113.78' });
      await start({ kind: 'idle', count: idle });
      await life.status(({ sources }) => sources[0]?.connections === idle + 1);
      await isServed(life, send);
    });
    t.diagnostic(seen.shown);
    // Beyond the limit they are closed, and counted.
    await start({ kind: 'idle', count: 50 });
    const { sources } = await life.status(({ sources: all }) => (all[0]?.errors.connection_limit ?? 0) >= 49);
    assert.equal(sources[0]?.connections, idle + 2);
    within(seen, { rssMb: full ? 450 : 300 });
  });

  test('one line of 100 MB: cut, counted, and the line behind it is read', async (t) => {
    const { life, send, watch } = await begin(t, '', 1);
    const seen = await watch(async () => {
      await send({ kind: 'long_line', bytes: 100_000_000, address: offender });
      await life.status(({ jails }) => jails.some(({ bansNow }) => bansNow === 1));
    });
    t.diagnostic(seen.shown);
    const { sources } = await life.status(() => true);
    assert.deepEqual([sources[0]?.records, sources[0]?.errors.oversize], [2, 1]);
    within(seen, { rssMb: 300 });
  });
});

interface Scene {
  readonly life: Life;
  readonly host: Namespace;
  /** Runs a load to its end. */
  readonly send: (load: Kind) => Promise<void>;
  /** Sets a load up, and leaves it there until the test ends. */
  readonly start: (load: Kind) => Promise<void>;
  readonly watch: (work: () => Promise<void>) => Promise<Watched>;
}

async function begin(t: TestContext, more: string, maxretry: number): Promise<Scene> {
  const network = createNetworkPair();
  t.after(network.remove);
  const { directory, host } = network;
  const port = 5514;
  const yaml = `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'tcp://127.0.0.1:${port}' }] }
${more}
jails: { relay: { filters: [postfix/relay-denied], maxretry: ${maxretry}, findtime: 1h, bantime: 1h } }`;
  const life = livesIn(join(directory, 'daemon'), yaml, host).begin();
  t.after(() => life.end('SIGKILL'));
  await life.ready;
  const client = async (load: Kind) => {
    const command: [string, ...string[]] = [
      process.execPath,
      '--no-warnings',
      join(import.meta.dirname, 'load-client.ts'),
      JSON.stringify({ port, ...load }),
    ];
    const child = host.start(...command);
    const ended = once(child, 'exit');
    if (child.stdout === null) throw new Error('the client has no stdout');
    // It says one line: that it is done, or has set up what it was asked to.
    await Promise.race([once(child.stdout, 'data'), ended.then(([code]) => Promise.reject(new Error(`the client ended with ${code}`)))]);
    return { child, ended };
  };
  return {
    life,
    host,
    start: async (load) => void (await client(load)),
    send: async (load) => {
      const { child, ended } = await client(load);
      child.stdin?.end();
      await ended;
    },
    watch: (work) => watchLife(life, work),
  };
}

/** The hard limit, proc_pid_limits(5). */
function maxDescriptors(): number {
  const most = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return most === 'unlimited' ? Infinity : Number(most);
}

async function read(life: Life, records: number): Promise<void> {
  await life.status(({ sources }) => (sources[0]?.records ?? 0) >= records);
}

/** An honest sender connects, and whom his lines tell of is banned. */
async function isServed(life: Life, send: Scene['send']): Promise<void> {
  const before = await bans(life);
  await send({ kind: 'lines', address: offender, times: 5 });
  await life.status(({ jails }) => jails.some(({ name, bansNow }) => name === 'relay' && bansNow === before + 1));
}

async function bans(life: Life): Promise<number> {
  const { jails } = await life.status(() => true);
  return jails.find(({ name }) => name === 'relay')?.bansNow ?? 0;
}

function within({ p99Ms, maxMs, rssMb, shown }: Watched, most: { readonly rssMb: number }): void {
  assert.ok(rssMb <= most.rssMb, `more than ${most.rssMb} MB: ${shown}`);
  assert.ok(p99Ms <= answers.p99Ms && maxMs <= answers.maxMs, `answers later than ${answers.p99Ms} ms, or than ${answers.maxMs}: ${shown}`);
}
