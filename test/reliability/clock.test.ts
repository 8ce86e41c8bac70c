import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { formatSubject } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';
import { type Life, livesIn } from './lives.ts';
import { refusal } from './offenders.ts';

/** The clock of the machine goes other ways than time: what libfaketime tells the daemon, and nobody else. */

const hourMs = 3_600_000;
const skip = without('root', 'nft', 'ip', 'nsenter', 'faketime');
const offender = '203.0.113.1';
const jails = 'jails: { relay: { filters: [postfix/relay-denied], maxretry: 3, findtime: 10m, bantime: 30m } }';

describe('a clock that is set', { skip }, () => {
  test('an hour ahead: failures of before do not count any more, bans end, it is said', async (t) => {
    const { life, write, set, nowMs } = await daemon(t, { startMs: Date.now() });
    write(rfc3339, offender, offender);
    write(rfc3339, '203.0.113.2', '203.0.113.2', '203.0.113.2');
    await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === 1));
    set(nowMs() + hourMs);
    await life.status(({ jails: all }) => all.every(({ bansNow }) => bansNow === 0));
    assert.match(life.log(), /the clock was set by 3(?:599|600|601) s; bans end by the new one/);
    assert.match(await life.ask.text('/v1/metrics'), /^sluice_clock_jumps_total 1$/m);
    write(rfc3339, offender, offender);
    await life.status(({ sources }) => (sources[0]?.records ?? 0) === 7);
    assert.deepEqual(await banned(life), [], 'two within ten minutes by the new clock');
    write(rfc3339, offender);
    await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === 1));
    assert.deepEqual(await banned(life), [offender]);
  });

  test('an hour back: what lies ahead does not count, bans stay, new ones are made', async (t) => {
    const { life, write, set, nowMs, host } = await daemon(t, { startMs: Date.now() });
    write(rfc3339, offender, offender);
    write(rfc3339, '203.0.113.2', '203.0.113.2', '203.0.113.2');
    await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === 1));
    set(nowMs() - hourMs);
    await life.status(() => /the clock was set by -3(?:599|600|601) s/.test(life.log()));
    write(rfc3339, offender, offender);
    await life.status(({ sources }) => (sources[0]?.records ?? 0) === 7);
    assert.deepEqual(await banned(life), ['203.0.113.2'], 'two by the new clock');
    write(rfc3339, offender);
    await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === 2));
    assert.match(host.run('nft', 'list', 'table', 'inet', 'sluice'), /203\.0\.113\.2 /);
  });
});

const passages: readonly (readonly [name: string, timezone: string, startMs: number, before: string, after: string, passesMs: number])[] = [
  [
    'New Year, with stamps that have no year',
    'UTC',
    Date.parse('2026-12-31T23:59:58Z'),
    'Dec 31 23:59:57',
    'Jan  1 00:00:30',
    Date.parse('2027-01-01T00:00:31Z'),
  ],
  [
    'the end of summer time: 02:30 comes again',
    'Europe/Berlin',
    Date.parse('2026-10-25T00:58:00Z'), // 02:58 summer time
    'Oct 25 02:57:59',
    'Oct 25 02:00:30', // winter time, two and a half minutes later
    Date.parse('2026-10-25T01:00:31Z'),
  ],
  [
    'the beginning of summer time: the hour from 02:00 is left out',
    'Europe/Berlin',
    Date.parse('2027-03-28T00:59:00Z'),
    'Mar 28 01:58:59',
    'Mar 28 03:00:30',
    Date.parse('2027-03-28T01:00:31Z'),
  ],
];

describe('while lines without a year and a zone come', { skip }, () => {
  for (const [name, timezone, startMs, before, after, passesMs] of passages) {
    test(`${name}: failures before and after count together, and are minutes apart`, async (t) => {
      const { life, append, set } = await daemon(t, { startMs, timezone });
      const line = (stamp: string): string => `${stamp} mx postfix/smtpd[4711]: ${refusal(offender)}\n`;
      append(line(before) + line(before));
      await life.status(({ sources }) => (sources[0]?.records ?? 0) === 2);
      set(passesMs);
      append(line(after));
      await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === 1));
      const [ban] = await life.bans();
      assert.equal(ban?.since, new Date(passesMs - 1_000).toISOString());
    });
  }
});

const rfc3339 = (nowMs: number): string => new Date(nowMs).toISOString();

/** @param startMs what its clock says when it starts, ms since the epoch */
async function daemon(t: TestContext, { startMs, timezone = 'UTC' }: { readonly startMs: number; readonly timezone?: string }) {
  const network = createNetworkPair();
  t.after(network.remove);
  const { directory, host } = network;
  const log = join(directory, 'mail.log');
  const offset = join(directory, 'offset');
  let aheadMs = 0;
  const set = (nowMs: number): void => {
    aheadMs = Math.round((nowMs - Date.now()) / 1_000) * 1_000;
    writeFileSync(offset, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1_000}s`);
  };
  const nowMs = () => Date.now() + aheadMs;
  set(startMs);
  writeFileSync(log, '');
  const environment = {
    LD_PRELOAD: faketime(),
    FAKETIME_TIMESTAMP_FILE: offset,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // What waits on the clock of time itself is not to be woken by the other.
    FAKETIME_DONT_RESET: '1',
  };
  const yaml = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, timezone: ${timezone}, from: start }] }\n${jails}`;
  const life = livesIn(join(directory, 'daemon'), yaml, host, { environment }).begin();
  t.after(() => life.end('SIGKILL'));
  await life.ready;
  const append = (text: string): void => appendFileSync(log, text);
  return {
    life,
    host,
    set,
    nowMs,
    append,
    write: (stamp: (ms: number) => string, ...addresses: readonly string[]) =>
      append(addresses.map((address) => `${stamp(nowMs())} mx postfix/smtpd[4711]: ${refusal(address)}\n`).join('')),
  };
}

async function banned(life: Life): Promise<readonly string[]> {
  return (await life.bans()).map(({ subject }) => formatSubject(subject)).toSorted();
}

/** Debian has it in the folder of the machine's architecture. */
function faketime(): string {
  for (const folder of readdirSync('/usr/lib')) {
    const path = `/usr/lib/${folder}/faketime/libfaketime.so.1`;
    if (existsSync(path)) return path;
  }
  throw new Error('there is a faketime, and no libfaketime.so.1 below /usr/lib');
}
