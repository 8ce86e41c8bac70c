import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ForeignLines, type ForeignSink } from '../../src/daemon/foreign-lines.ts';
import { FilterGuard } from '../../src/guard/filter-guard.ts';
import type { FilterTexts } from '../../src/model/foreign-filter.ts';
import { type ForeignJail, foreignFilterName } from '../../src/model/foreign-jail.ts';
import type { LogRecord } from '../../src/model/record.ts';

const nowMs = Date.UTC(2026, 10, 22, 12);

function jailOf(name: string, failregex: string): ForeignJail {
  const texts: FilterTexts = {
    failregex: [failregex],
    ignoreregex: [],
    prefregex: undefined,
    datepattern: [],
    maxlines: 1,
    usedns: 'no',
    logtimezone: undefined,
  };
  return {
    jail: {
      name,
      filters: [foreignFilterName(name)],
      maxretry: 1,
      findtimeMs: 1_000,
      bantime: { firstMs: 1_000, factor: 1, maxMs: 1_000, forgetMs: 0 },
      prefix: { ipv4: 32, ipv6: 128 },
      ports: { kind: 'all' },
      observe: false,
    },
    texts,
    reading: { kind: 'files', paths: [], encoding: 'auto' },
    ignore: { entries: [], self: true, command: undefined, cache: undefined },
    actions: [],
    maxmatches: 5,
    readsBans: undefined,
    file: 'jail.local',
    line: 1,
  };
}

function recordOf(text: string): LogRecord {
  return {
    facility: undefined,
    severity: undefined,
    stamp: undefined,
    hostname: undefined,
    appName: undefined,
    procId: undefined,
    msgId: undefined,
    structuredData: undefined,
    text,
    repeats: 1,
    source: 'test',
    origin: { kind: 'file', path: '/var/log/x', inode: 1n, offsetBytes: 0, head: '' },
    trust: 'full',
    receivedMs: nowMs,
    trusted: undefined,
    catchingUp: false,
  };
}

const jails = [jailOf('slow', 'slow <HOST>$'), jailOf('quick', 'quick <HOST>$')];
const readers = jails.map((jail) => ({ jail, mayMatch: (line: string) => !line.includes('noise') }));
const silent: ForeignSink = { failure: () => undefined, ignored: () => undefined, unseen: () => undefined, full: () => undefined };

const guards: FilterGuard[] = [];
function newGuard(): FilterGuard {
  const guard = new FilterGuard(jails.map(({ jail: { name }, texts }) => ({ name, texts, timezone: 'UTC', compiledMs: nowMs })));
  guards.push(guard);
  return guard;
}
after(() => Promise.all(guards.map((guard) => guard.close())));

describe("lines of jails in fail2ban's dialect", () => {
  test('are done in the order in which they came, when every jail has answered', async () => {
    const order: string[] = [];
    const lines = new ForeignLines(newGuard(), {
      ...silent,
      // The first jail takes time over each of its failures.
      failure: ({ jail }, { text }) => {
        if (jail.name !== 'slow') return void order.push(`found ${text}`);
        return pause(5).then(() => void order.push(`found ${text}`));
      },
    });
    const texts = ['noise 0', 'slow 192.0.2.1', 'quick 192.0.2.2', 'noise 1', 'slow 192.0.2.3', 'noise 2', 'noise 3', 'quick 192.0.2.4'];
    for (const text of texts) lines.take(recordOf(text), readers, nowMs, () => order.push(`done ${text}`));
    await lines.settled();
    assert.deepEqual(
      order.filter((each) => each.startsWith('done')),
      texts.map((text) => `done ${text}`),
    );
    for (const text of texts.filter((each) => !each.startsWith('noise')))
      assert.ok(order.indexOf(`found ${text}`) < order.indexOf(`done ${text}`), `${text} is done before it is decided on`);
    assert.equal(order[0], 'done noise 0');
  });

  test("a jail's failures keep their order, though each may take time", async () => {
    const found: string[] = [];
    const lines = new ForeignLines(newGuard(), {
      ...silent,
      failure: (_, { text }) => (found.length % 2 === 0 ? pause(3) : Promise.resolve()).then(() => void found.push(text)),
    });
    const texts = Array.from({ length: 20 }, (_, index) => `slow 192.0.2.${index + 1}`);
    for (const text of texts) lines.take(recordOf(text), readers, nowMs, () => undefined);
    await lines.settled();
    assert.deepEqual(found, texts);
  });

  test('hold up reading while too many wait, and let it go on', async () => {
    const said: boolean[] = [];
    const lines = new ForeignLines(newGuard(), { ...silent, full: (full) => said.push(full) });
    let done = 0;
    for (let count = 0; count < 10_000; count += 1) lines.take(recordOf('quick nobody'), readers, nowMs, () => (done += 1));
    assert.deepEqual(said, [true]);
    await lines.settled();
    assert.deepEqual(said, [true, false]);
    assert.equal(done, 10_000);
  });
});
