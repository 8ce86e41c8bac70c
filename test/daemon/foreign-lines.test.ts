import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ForeignLines, type ForeignSink } from '../../src/daemon/foreign-lines.ts';
import { LineOrder } from '../../src/daemon/line-order.ts';
import { FilterGuard, type GuardedVerdict } from '../../src/guard/filter-guard.ts';
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
const silent: ForeignSink = { failure: () => undefined, ignored: () => undefined, unseen: () => undefined };

const guards: FilterGuard[] = [];
function newGuard(of: readonly ForeignJail[] = jails): FilterGuard {
  const guard = new FilterGuard(of.map(({ jail: { name }, texts }) => ({ name, texts, timezone: 'UTC', compiledMs: nowMs })));
  guards.push(guard);
  return guard;
}
function linesOf(sink: ForeignSink, guard: Pick<FilterGuard, 'feed' | 'feedDated'> = newGuard(), changed = (): void => {}) {
  const order = new LineOrder(changed);
  return { lines: new ForeignLines(guard, sink, order), order, settled: async () => order.settled() };
}
after(() => Promise.all(guards.map((guard) => guard.close())));

const none = (): void => {};

describe("lines of jails in fail2ban's dialect", () => {
  test('are done in the order in which they came, when every jail has answered', async () => {
    const order: string[] = [];
    const { lines, settled } = linesOf({
      ...silent,
      // The first jail takes time over each of its failures.
      failure: ({ jail }, { text }) => {
        if (jail.name !== 'slow') return void order.push(`found ${text}`);
        return pause(5).then(() => void order.push(`found ${text}`));
      },
    });
    const texts = ['noise 0', 'slow 192.0.2.1', 'quick 192.0.2.2', 'noise 1', 'slow 192.0.2.3', 'noise 2', 'noise 3', 'quick 192.0.2.4'];
    for (const text of texts) lines.take(recordOf(text), readers, nowMs, () => order.push(`done ${text}`));
    await settled();
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
    const { lines, settled } = linesOf({
      ...silent,
      failure: (_, { text }) => (found.length % 2 === 0 ? pause(3) : Promise.resolve()).then(() => void found.push(text)),
    });
    const texts = Array.from({ length: 20 }, (_, index) => `slow 192.0.2.${index + 1}`);
    for (const text of texts) lines.take(recordOf(text), readers, nowMs, () => undefined);
    await settled();
    assert.deepEqual(found, texts);
  });

  test('of which several jails make something are decided in one go', async () => {
    const found: string[] = [];
    let batches = 0;
    const open: ((verdict: GuardedVerdict) => void)[] = [];
    const guard = { feed: () => new Promise<GuardedVerdict>((resolve) => open.push(resolve)), feedDated: () => assert.fail() };
    const { lines, settled } = linesOf({ ...silent, unseen: ({ jail }) => void found.push(`${jail.name} ${batches}`) }, guard);
    lines.take(recordOf('both'), readers, nowMs, () => found.push(`done ${batches}`));
    // The answers come apart: what is stored in between must hold neither.
    for (const answer of open) {
      batches += 1;
      answer({ kind: 'disabled' });
      await pause(0);
    }
    await settled();
    assert.deepEqual(found, ['slow 2', 'quick 2', 'done 2']);
  });

  test('hold up reading while too many wait, and let it go on', async () => {
    const said: boolean[] = [];
    const { lines, settled, order } = linesOf(silent, newGuard(), () => said.push(order.holds('test')));
    let done = 0;
    for (let count = 0; count < 10_000; count += 1) lines.take(recordOf('quick nobody'), readers.slice(1), nowMs, () => (done += 1));
    assert.deepEqual(said, [true]);
    await settled();
    assert.deepEqual(said, [true, false]);
    assert.equal(done, 10_000);
  });

  test('hold up reading before the guard has no room: long lines, and lines that many jails look at', async () => {
    for (const [text, jailsOf] of [
      [`quick ${'x'.repeat(60_000)}`, 1],
      ['quick nobody', 90],
    ] as const) {
      const unseen: string[] = [];
      const many = Array.from({ length: jailsOf }, (_, index) => jailOf(`quick${index}`, 'quick <HOST>$'));
      const { lines, settled, order } = linesOf({ ...silent, unseen: (_, __, why) => void unseen.push(why) }, newGuard(many));
      const all = many.map((jail) => ({ jail, mayMatch: () => true }));
      let taken = 0;
      // As a source that is asked to pause between two lines.
      for (; taken < 8_000 && !order.holds('test'); taken += 1) lines.take(recordOf(text), all, nowMs, none);
      assert.ok(taken < 8_000);
      await settled();
      assert.deepEqual(unseen, []);
      assert.equal(order.holds('test'), false);
    }
  });

  test('hold up only the source whose jail asks a slow command', async () => {
    let answer = none;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const { lines, settled, order } = linesOf({ ...silent, failure: () => slow });
    for (let count = 0; !order.holds('test'); count += 1) lines.take(recordOf('slow 192.0.2.1'), readers.slice(0, 1), nowMs, none);
    assert.equal(order.holds('other'), false);
    const done = new Promise<void>((resolve) =>
      lines.take({ ...recordOf('quick nobody'), source: 'other' }, readers.slice(1), nowMs, resolve),
    );
    await done;
    answer();
    await settled();
  });

  test('are settled when those so far are done, though more come all the time', async () => {
    const { lines, settled } = linesOf(silent);
    let going = true;
    const more = (): void => {
      lines.take(recordOf('quick nobody'), readers, nowMs, none);
      if (going) setImmediate(more);
    };
    more();
    await settled();
    going = false;
    await settled();
  });
});
