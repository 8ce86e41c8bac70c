import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execa } from 'execa';
import { createEventFeed } from '../../src/control/event-feed.ts';
import { banLineOfFile, banLineOfJournal, type ToldBan } from '../../src/daemon/ban-line.ts';
import { createEvents } from '../../src/daemon/events.ts';
import { createLog } from '../../src/daemon/log.ts';
import { createLineMatcher } from '../../src/match/fail2ban/line-matcher.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import type { Ban } from '../../src/model/decision.ts';
import { program, without } from '../environment.ts';
import { address, prefix } from '../control/sample-daemon.ts';
import { compiled, readStockFilters } from '../rules/fail2ban/stock-filters.ts';

process.env['TZ'] = 'Europe/Berlin';

/** 2026-11-22 12:00:00,123 in Berlin. */
const sinceMs = Date.parse('2026-11-22T11:00:00.123Z');
const ban: ToldBan = { jail: 'postfix-auth', subject: prefix('192.0.2.4'), sinceMs };
const network: ToldBan = { ...ban, subject: prefix('2001:db8:1:2::/64') };

describe("fail2ban's line for a ban", () => {
  test('in its log file has the local time', () => {
    assert.equal(banLineOfFile(ban, 4711), '2026-11-22 12:00:00,123 fail2ban.actions        [4711]: NOTICE  [postfix-auth] Ban 192.0.2.4');
  });

  test('in the journal has the host and the server before it', () => {
    assert.equal(
      banLineOfJournal(ban, 4711, 'mx'),
      'mx fail2ban-server[4711]: fail2ban.actions        [4711]: NOTICE  [postfix-auth] Ban 192.0.2.4',
    );
  });

  test('names one address where a network is banned: who failed, else its first', () => {
    assert.match(banLineOfFile({ ...network, address: address('2001:db8:1:2::9') }, 1), / Ban 2001:db8:1:2::9$/);
    assert.match(banLineOfFile(network, 1), / Ban 2001:db8:1:2::$/);
  });
});

describe('the stock recidive filter', { skip: without('fail2ban-client', 'python3') }, () => {
  const matcher = (options: Readonly<Record<string, string>>) => {
    const [texts] = readStockFilters([{ filter: 'recidive', options }]);
    assert.ok(texts !== undefined);
    return createLineMatcher(compiled(texts), { wallClock: (wallMs) => wallMs - 3_600_000 });
  };
  const offender = (verdict: ReturnType<ReturnType<typeof matcher>['feed']>) =>
    verdict.kind === 'failure' ? { address: verdict.address, timeMs: verdict.timeMs } : verdict.kind;

  test('finds the offender and the second of the ban in either form', () => {
    const ofFile = matcher({});
    const ofJournal = matcher({ logtype: 'journal' });
    for (const told of [ban, network, { ...network, address: address('2001:db8:1:2::9') }]) {
      const expected = { address: told.address ?? told.subject.replace(/\/\d+$/, ''), timeMs: Date.parse('2026-11-22T11:00:00Z') };
      assert.deepEqual(offender(ofFile.feed(banLineOfFile(told, 4711), sinceMs)), expected);
      const journal = ofJournal.feedDated(banLineOfJournal(told, 4711, 'mx'), expected.timeMs);
      assert.deepEqual(offender(journal), expected);
    }
  });

  test('passes over its own bans', () => {
    assert.equal(offender(matcher({}).feed(banLineOfFile({ ...ban, jail: 'recidive' }, 4711), sinceMs)), 'nothing');
  });
});

describe("fail2ban-regex with the stock recidive filter over sluice's own log", { skip: without('fail2ban-client') }, () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'slu-recidive-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** What is logged for a life of bans. */
  function logged(journal: boolean): string {
    let text = '';
    const log = createLog({ nowMs: () => sinceMs, linesPerSecond: 100, journal, write: (line) => (text += line) });
    const metrics = createMetrics({ version: '0', node: '0' });
    const events = createEvents({ log, metrics, feed: createEventFeed(10), nowMs: () => sinceMs });
    const made: Ban = {
      jail: 'ssh',
      subject: prefix('192.0.2.4'),
      sinceMs,
      untilMs: sinceMs + 7_200_000,
      count: 2,
      origin: 'jail',
      observe: false,
    };
    events.banned(made, undefined, 5, true);
    events.banned({ ...made, jail: 'recidive', subject: prefix('192.0.2.5') }, undefined, 5);
    events.banned({ ...made, observe: true, subject: prefix('192.0.2.6') }, undefined, 5);
    events.ignored('ssh', prefix('192.0.2.7'), 'protected', 'allowlist');
    events.restored(made);
    events.unbanned(made, 'expired');
    events.notice('warning', 'nft failed');
    return text;
  }

  /** The addresses that it finds. */
  async function found(lines: string, filter: string): Promise<readonly string[]> {
    const file = join(directory, 'sluice.log');
    writeFileSync(file, lines);
    const { stdout } = await execa(program('fail2ban-regex') ?? '', ['--usedns', 'no', '-o', 'ip', file, filter], { reject: false });
    return stdout.split('\n').filter((line) => line !== '');
  }

  test('the words are those of fail2ban', () => {
    assert.deepEqual(logged(false).split('\n').slice(0, -1), [
      '2026-11-22 12:00:00,123 NOTICE  [ssh] Ban 192.0.2.4',
      '2026-11-22 12:00:00,123 NOTICE  [ssh] Increase Ban 192.0.2.4 (2 # 2h -> 2026-11-22 14:00:00)',
      '2026-11-22 12:00:00,123 NOTICE  [recidive] Ban 192.0.2.5',
      '2026-11-22 12:00:00,123 NOTICE  [ssh] Would ban 192.0.2.6 for 2h',
      '2026-11-22 12:00:00,123 INFO    [ssh] Ignore 192.0.2.7 by allowlist',
      '2026-11-22 12:00:00,123 INFO    [ssh] Restore Ban 192.0.2.4',
      '2026-11-22 12:00:00,123 NOTICE  [ssh] Unban 192.0.2.4',
      '2026-11-22 12:00:00,123 WARNING nft failed',
    ]);
  });

  test('it finds the ban, and nothing else', async () => {
    assert.deepEqual(await found(logged(false), 'recidive'), ['192.0.2.4']);
  });

  test('in the journal it does with the name of the daemon as an option', async () => {
    const entries = logged(true).replaceAll(/^<\d>/gm, 'Nov 22 12:00:00 mx sluice[4711]: ');
    assert.deepEqual(await found(entries, 'recidive[_daemon=sluice]'), ['192.0.2.4']);
    assert.deepEqual(await found(entries, 'recidive[_daemon=sluice, logtype=short]'), ['192.0.2.4']);
  });
});
