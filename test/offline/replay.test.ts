import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { BanList } from '../../src/control/protocol.ts';
import { runSluice } from '../cli/running-command.ts';
import { startSluice } from '../support/daemon.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-replay-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const jails = `jails:
  relay: { filters: [postfix/relay-denied], maxretry: 2, findtime: 10m, bantime: { first: 1h, factor: 2, max: 4w } }
  auth: { filters: [postfix/sasl-failed], maxretry: 3, findtime: 30m, bantime: 2h, observe: true }
`;
const nothing = 'sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: udp://127.0.0.1:5514 }] }\n';
const config = file('sluice.yaml', `${nothing}allowlist: [192.0.2.99/32]\n${jails}`);

interface Line {
  readonly atMs: number;
  readonly text: string;
}
const relay = (address: string): string =>
  `NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com>`;
const sasl = (address: string): string => `warning: unknown[${address}]: SASL LOGIN authentication failed: authentication failure`;
const lineOf = ({ atMs, text }: Line): string => `${new Date(atMs).toISOString()} mx postfix/smtpd[1]: ${text}\n`;

interface Said {
  readonly ban?: {
    address: string;
    subject: string;
    jail: string;
    time: string;
    until: string;
    failures: number;
    count: number;
    observe: boolean;
  };
  readonly summary?: object;
}

async function replay(
  ...words: readonly string[]
): Promise<{ code: number | null; stderr: string; bans: NonNullable<Said['ban']>[]; summary: object | undefined }> {
  const { code, stdout, stderr } = await runSluice(['replay', '--json', '-c', config, ...words]);
  const said = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Said);
  assert.ok(
    said.slice(0, -1).every(({ ban }) => ban !== undefined),
    'bans, and last the summary',
  );
  return { code, stderr, bans: said.flatMap(({ ban }) => ban ?? []), summary: said.at(-1)?.summary };
}

const minuteMs = 60_000;

describe('sluice replay --json', () => {
  const startMs = Date.parse('2026-11-20T10:00:00Z');
  const at = (minute: number, text: string): Line => ({ atMs: startMs + minute * minuteMs, text });
  const story = [
    at(0, relay('192.0.2.4')),
    at(1, relay('2001:db8:1::1')),
    at(2, relay('192.0.2.99')),
    at(3, relay('192.0.2.99')),
    at(4, relay('2001:db8:1::ffff')),
    at(5, relay('192.0.2.5')),
    at(9, relay('192.0.2.4')), // within 10 minutes
    at(10, relay('192.0.2.4')), // banned
    at(16, relay('192.0.2.5')), // too late
    at(80, relay('192.0.2.4')), // the ban was over after an hour
    at(81, relay('192.0.2.4')), // returns
  ];
  const expected = [
    ['2001:db8:1::ffff', '2001:db8:1::/64', 'relay', 4, 64, 1],
    ['192.0.2.4', '192.0.2.4/32', 'relay', 9, 69, 1],
    ['192.0.2.4', '192.0.2.4/32', 'relay', 81, 201, 2],
  ];
  const minutes = (bans: readonly NonNullable<Said['ban']>[]) =>
    bans.map(({ address, subject, jail, time, until, count }) => [
      address,
      subject,
      jail,
      (Date.parse(time) - startMs) / minuteMs,
      (Date.parse(until) - startMs) / minuteMs,
      count,
    ]);

  test("bans as the logs' own clock tells: windows, bans, returns, a /64 for IPv6, nobody who is allowed", async () => {
    const { code, stderr, bans, summary } = await replay(file('whole.log', story.map(lineOf).join('')));
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(minutes(bans), expected);
    assert.ok(bans.every(({ failures, observe }) => failures === 2 && !observe));
    assert.deepEqual(summary, { lines: story.length, matched: story.length, bans: 3, addresses: 2 });
  });

  test('reads several files in the order of their stamps, in whatever order they are named, compressed or not', async () => {
    const parts = [story.slice(0, 4), story.slice(4, 7), story.slice(7)].map((part) => part.map(lineOf).join(''));
    const oldest = file('mail.log.2.gz', gzipSync(parts[0] ?? ''));
    const middle = file('mail.log.1', parts[1] ?? '');
    const newest = file('mail.log', parts[2] ?? '');
    for (const order of [
      [newest, middle, oldest],
      [middle, oldest, newest],
    ]) {
      const { code, bans, summary } = await replay(...order);
      assert.equal(code, 0);
      assert.deepEqual(minutes(bans), expected);
      assert.deepEqual(summary, { lines: story.length, matched: story.length, bans: 3, addresses: 2 });
    }
  });

  test('without a year the file’s own date decides, or --now', async () => {
    const path = file(
      'traditional.log',
      [0, 1].map((minute) => `Dec 31 23:58:0${minute} mx postfix/smtpd[1]: ${relay('192.0.2.4')}\n`).join(''),
    );
    utimesSync(path, new Date('2024-01-01T12:00:00Z'), new Date('2024-01-01T12:00:00Z'));
    assert.equal((await replay(path)).bans[0]?.time, '2023-12-31T22:58:01.000Z', 'Berlin is an hour ahead');
    assert.equal((await replay(path, '--now', '2026-01-01')).bans[0]?.time, '2025-12-31T22:58:01.000Z');
  });

  test('a log that is not there: the others are read, exit 1; a configuration with mistakes: exit 78', async () => {
    const missing = await replay(join(directory, 'nowhere.log'), file('whole.log', story.map(lineOf).join('')));
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /nowhere\.log/);
    assert.equal(missing.bans.length, 3);
    const { code, stderr } = await runSluice(['replay', '-c', file('bad.yaml', 'jails: { x: {} }\n'), config]);
    assert.equal(code, 78);
    assert.match(stderr, /bad\.yaml:1:\d+/);
  });

  test('for people: a line for each ban, and a sum', async () => {
    const { code, stdout } = await runSluice(['replay', '-c', config, file('whole.log', story.map(lineOf).join(''))]);
    assert.equal(code, 0);
    assert.match(stdout, /^2026-11-20 11:09:00 .* 192\.0\.2\.4 {2}relay {2}2 failures {2}for 1h$/m);
    assert.match(stdout, /for 2h, ban 2$/m);
    assert.match(stdout, /11 lines, 11 offences, 3 bans of 2 subjects\n$/);
  });

  test('a live daemon that reads the same lines bans the same, since and until the same', async (t) => {
    // Half an hour that has just passed, so that no ban is over; many clients, whose failures come near and far.
    const nowMs = Date.now();
    const lines = Array.from({ length: 600 }, (_, index): Line => {
      const client = (index * 7) % 60;
      const address = client % 3 === 0 ? `2001:db8:${client}::${index.toString(16)}` : `198.51.100.${client}`;
      return { atMs: nowMs - 29 * minuteMs + index * 2_800, text: index % 4 === 0 ? sasl(address) : relay(address) };
    });
    const log = file('live.log', lines.map(lineOf).join(''));
    const { bans, summary } = await replay(log);
    assert.ok(bans.length > 50, JSON.stringify(summary));

    const place = mkdtempSync(join(directory, 'daemon-'));
    const daemon = await startSluice(
      { directory: place },
      `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, name: log, from: start }] }
metrics: off
enforce: { mode: observe }
allowlist: [192.0.2.99/32]
${jails}`,
    );
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.status(({ sources }) => sources.some(({ records }) => records === lines.length));
    const live = (await daemon.ask.get<BanList>('/v1/bans')).bans;
    const shown = (each: { subject: string; jail: string; count: number }, since: string, until: string | null): string =>
      `${each.jail} ${each.subject} ${since} ${until} ${each.count}`;
    assert.deepEqual(
      live.map((ban) => shown(ban, ban.since, ban.until)).toSorted(),
      bans.map((ban) => shown(ban, ban.time, ban.until)).toSorted(),
    );
  });
});
