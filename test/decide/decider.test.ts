import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { BanOutcome, BanTarget } from '../../src/decide/by-hand.ts';
import { Decider, type DeciderLimits } from '../../src/decide/decider.ts';
import { type Address, parseAddress, parsePrefix, type Prefix } from '../../src/model/address.ts';
import type { Decision, Jail } from '../../src/model/decision.ts';
import type { Detection } from '../../src/model/detection.ts';
import type { Protection } from '../../src/model/protection.ts';
import type { Trust } from '../../src/model/record.ts';

const minuteMs = 60_000;
const mail: Jail = {
  name: 'mail',
  filters: ['postfix'],
  maxretry: 3,
  findtimeMs: 10 * minuteMs,
  bantime: { firstMs: 60 * minuteMs, factor: 2, maxMs: 150 * minuteMs, forgetMs: 1_000 * minuteMs },
  prefix: { ipv4: 32, ipv6: 64 },
  ports: { kind: 'list', protocol: 'tcp', ports: [25] },
  observe: false,
};
const limits: DeciderLimits = { seed: [1, 2], maxSubjects: 1_000, maxBans: 1_000, maxHistory: 1_000, evidenceBytes: 100_000 };
const manual = { bantime: { ...mail.bantime, factor: 1 }, prefix: mail.prefix };

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

function detection(from: string, more: Partial<Detection> = {}): Detection {
  return { filter: 'postfix', pattern: 'relay-denied', address: address(from), captures: new Map(), follows: false, ...more };
}

let decider: Decider;
beforeEach(() => {
  decider = new Decider([mail], limits, manual);
});

/** One failure of the address at a minute, as the clock stands then. */
function fail(from: string, minute: number, { trust = 'full', weight = 1 }: { trust?: Trust; weight?: number } = {}): Decision[] {
  const atMs = minute * minuteMs;
  return decider.decide([detection(from)], {
    atMs,
    nowMs: atMs,
    trust,
    weight,
    evidence: { source: 'journal', line: `at minute ${minute}` },
  });
}

/** What happened, in short. */
function said(decisions: readonly Decision[]): readonly string[] {
  return decisions.map((decision) => {
    switch (decision.kind) {
      case 'watch':
        return `watch ${decision.subject} ${decision.failures}`;
      case 'ignore':
        return `ignore ${decision.subject} ${decision.because}`;
      case 'ban':
        return `ban ${decision.subject} ${(decision.ban.untilMs - decision.ban.sinceMs) / minuteMs}${decision.ban.observe ? ' would be' : ''}`;
      case 'unban':
        return `unban ${decision.subject} ${decision.because}`;
    }
  });
}

function kernel(nowMinute: number): readonly string[] {
  return [...decider.kernelElements(nowMinute * minuteMs)].map(({ subject, untilMs }) => `${subject} until ${untilMs / minuteMs}`);
}

describe('a jail with maxretry 3, findtime 10m, bantime 1h doubling up to 150m', () => {
  test('bans on the third failure within findtime, for an hour from then', () => {
    assert.deepEqual(
      [0, 4, 9].flatMap((minute) => said(fail('192.0.2.4', minute))),
      ['watch 192.0.2.4/32 1', 'watch 192.0.2.4/32 2', 'ban 192.0.2.4/32 60'],
    );
    assert.deepEqual(kernel(9), ['192.0.2.4/32 until 69']);
  });
  test('bans the /64 of an IPv6 address, whichever of its hosts fail', () => {
    const said3 = ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:1:ffff::3'].flatMap((from) => said(fail(from, 0)));
    assert.equal(said3.at(-1), 'ban 2001:db8:0:1::/64 60');
  });
  test('a repeated message counts as often as it was said', () => {
    assert.deepEqual(said(fail('192.0.2.4', 0, { weight: 3 })), ['ban 192.0.2.4/32 60']);
  });
  test('while the ban is in force failures open no window; after it they do', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    assert.deepEqual(said(fail('192.0.2.4', 59)), ['ignore 192.0.2.4/32 banned']);
    assert.deepEqual(said(fail('192.0.2.4', 60)), ['unban 192.0.2.4/32 expired', 'watch 192.0.2.4/32 1']);
  });
  test('each return lasts twice as long, at most 150m, until the last one is forgotten', () => {
    const lasted = [0, 100, 300, 600].map((minute) => said(fail('192.0.2.4', minute, { weight: 3 })).at(-1));
    assert.deepEqual(lasted, ['ban 192.0.2.4/32 60', 'ban 192.0.2.4/32 120', 'ban 192.0.2.4/32 150', 'ban 192.0.2.4/32 150']);
    // The last one ends at 750; forget is 1000m.
    assert.equal(said(fail('192.0.2.4', 1_750, { weight: 3 })).at(-1), 'ban 192.0.2.4/32 150');
    assert.equal(said(fail('192.0.2.4', 2_901, { weight: 3 })).at(-1), 'ban 192.0.2.4/32 60');
  });
  test('a ban that would be over already is not made, and the failures still count', () => {
    const late = (minute: number) =>
      said(
        decider.decide([detection('192.0.2.4')], {
          atMs: minute * minuteMs,
          nowMs: 70 * minuteMs,
          trust: 'full',
          weight: 1,
          evidence: undefined,
        }),
      );
    assert.deepEqual([1, 2, 3, 11].flatMap(late), [
      'watch 192.0.2.4/32 1',
      'watch 192.0.2.4/32 2',
      'ignore 192.0.2.4/32 stale',
      'ban 192.0.2.4/32 60',
    ]);
    assert.deepEqual(
      [...decider.bans()].map(({ sinceMs, count }) => [sinceMs / minuteMs, count]),
      [[11, 1]],
    );
  });
});

describe('a record', () => {
  const strict: Jail = { ...mail, name: 'strict', filters: ['postfix/relay-denied', 'postfix'], maxretry: 1 };
  const facts = { atMs: 0, nowMs: 0, trust: 'full', weight: 1, evidence: undefined } as const;

  test('is a failure in every jail that names its filter or the pattern, once in each', () => {
    decider.reload([mail, strict], 0);
    assert.deepEqual(
      decider
        .decide([detection('192.0.2.4'), detection('192.0.2.5')], facts)
        .map(({ kind, jail, subject }) => `${kind} ${jail} ${subject}`),
      ['watch mail 192.0.2.4/32', 'ban strict 192.0.2.4/32', 'ignore mail 192.0.2.5/32', 'ignore strict 192.0.2.5/32'],
    );
  });
  test('that tells of an event counted already is no failure', () => {
    assert.deepEqual(said(decider.decide([detection('192.0.2.4', { follows: true })], facts)), ['ignore 192.0.2.4/32 duplicate']);
    assert.equal(
      said(decider.decide([detection('192.0.2.4', { follows: true }), detection('192.0.2.4')], facts)).at(-1),
      'watch 192.0.2.4/32 1',
    );
  });
  test('of a filter that no jail names leads to nothing', () => {
    assert.deepEqual(decider.decide([detection('192.0.2.4', { filter: 'sshd' })], facts), []);
  });
});

describe('records of low trust', () => {
  test('lead to would-be bans only, and hide no real one', () => {
    assert.deepEqual(said(fail('192.0.2.4', 0, { trust: 'low', weight: 3 })), ['ban 192.0.2.4/32 60 would be']);
    assert.deepEqual(kernel(0), []);
    assert.deepEqual(
      [1, 2, 3].map((minute) => said(fail('192.0.2.4', minute))[0]),
      ['watch 192.0.2.4/32 1', 'watch 192.0.2.4/32 2', 'ban 192.0.2.4/32 60'],
    );
    assert.deepEqual(kernel(3), ['192.0.2.4/32 until 63']);
  });
  test('do not add to the failures of others', () => {
    fail('192.0.2.4', 0, { trust: 'low', weight: 2 });
    assert.deepEqual(said(fail('192.0.2.4', 1)), ['watch 192.0.2.4/32 1']);
  });
  test('leave nothing that survives a restart', () => {
    fail('192.0.2.4', 0, { trust: 'low', weight: 3 });
    fail('192.0.2.5', 0, { trust: 'low' });
    assert.deepEqual(decider.takeChanges(), { bans: [], past: [], windows: [], allow: [] });
  });
  test('in a flood push out neither windows, nor bans, nor evidence of others', () => {
    fail('192.0.2.4', 0);
    fail('192.0.2.5', 0, { weight: 3 });
    for (let host = 0; host < 3_000; host++) {
      const from = `198.51.${Math.floor(host / 256)}.${host % 256}`;
      fail(from, 1, { trust: 'low', weight: host % 2 === 0 ? 1 : 3 });
    }
    assert.deepEqual(kernel(1), ['192.0.2.5/32 until 60']);
    assert.deepEqual(said(fail('192.0.2.4', 2)), ['watch 192.0.2.4/32 2']);
    assert.equal(decider.explain(address('192.0.2.5'), minuteMs).evidence.length, 1);
  });
});

describe('the never-banned list', () => {
  const session: Protection = { prefix: prefix('2001:db8:0:1::7/128'), reason: 'session', detail: 'alice' };

  test('a failure of a protected address is not counted', () => {
    decider.protect([{ prefix: prefix('192.0.2.0/24'), reason: 'allowlist', detail: 'sluice.yaml:3' }], 0);
    const [decision] = fail('192.0.2.4', 0);
    assert.ok(decision?.kind === 'ignore');
    assert.deepEqual([decision.because, decision.detail], ['protected', 'allowlist (sluice.yaml:3)']);
    assert.equal(decider.totals().tracked, 0);
  });
  test('a network that holds a protected address is narrowed to the offender', () => {
    decider.protect([session], 0);
    assert.deepEqual(said(fail('2001:db8:0:1::8', 0, { weight: 3 })), ['ban 2001:db8:0:1::8/128 60']);
  });
  test('a ban in force is narrowed when somebody logs in from within it', () => {
    fail('2001:db8:0:1::8', 0, { weight: 3 });
    decider.takeKernelChanges(0);
    assert.deepEqual(said(decider.protect([session], minuteMs)), ['unban 2001:db8:0:1::/64 allowlist', 'ban 2001:db8:0:1::8/128 60']);
    assert.deepEqual(
      decider
        .takeKernelChanges(minuteMs)
        .map(({ kind, subject }) => `${kind} ${subject}`)
        .toSorted(),
      ['put 2001:db8:0:1::8/128', 'remove 2001:db8:0:1::/64'],
    );
  });
  test('a ban of the one who logs in is lifted at once', () => {
    fail('2001:db8:0:1::7', 0, { weight: 3 });
    assert.deepEqual(said(decider.protect([session], minuteMs)), ['unban 2001:db8:0:1::/64 allowlist']);
    assert.deepEqual(kernel(1), []);
  });
  test('reading the same list again changes nothing', () => {
    decider.protect([session], 0);
    fail('2001:db8:0:1::8', 0, { weight: 3 });
    assert.deepEqual(decider.protect([session], minuteMs), []);
  });
  test('allow ends by itself, and what it had lifted stays lifted', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    assert.deepEqual(said(decider.allow({ prefix: prefix('192.0.2.4'), untilMs: 30 * minuteMs }, minuteMs)), [
      'unban 192.0.2.4/32 allowlist',
    ]);
    assert.deepEqual(said(fail('192.0.2.4', 29)), ['ignore 192.0.2.4/32 protected']);
    decider.expire(30 * minuteMs);
    assert.deepEqual(said(fail('192.0.2.4', 30)), ['watch 192.0.2.4/32 1']);
  });
});

/** A ban by hand at minute 0. */
function ban(target: string, more: { readonly jail?: string; readonly forMs?: number } = {}): BanOutcome {
  const asked: BanTarget = target.includes('/')
    ? { kind: 'prefix', prefix: prefix(target) }
    : { kind: 'address', address: address(target) };
  return decider.ban({ target: asked, nowMs: 0, ...more });
}

describe('by hand', () => {
  test('an address is banned on all ports, an IPv6 one with its /64; a prefix as it is', () => {
    assert.deepEqual(
      ['192.0.2.4', '2001:db8::5', '2001:db8::6/128', '198.51.100.0/24']
        .map((target) => ban(target))
        .map((outcome) => outcome.kind === 'banned' && outcome.ban.subject),
      ['192.0.2.4/32', '2001:db8::/64', '2001:db8::6/128', '198.51.100.0/24'],
    );
    assert.ok([...decider.kernelElements(0)].every(({ ports }) => ports.kind === 'all'));
  });
  test('a never-banned address, or a network with one, is refused with the reason', () => {
    decider.protect([{ prefix: prefix('192.0.2.1/32'), reason: 'gateway', detail: 'eth0' }], 0);
    for (const target of ['192.0.2.1', '192.0.2.0/24', '127.0.0.1']) assert.equal(ban(target).kind, 'refused');
  });
  test('an IPv6 address beside a protected one is banned alone, and the reply says why', () => {
    decider.protect([{ prefix: prefix('2001:db8::1/128'), reason: 'gateway', detail: 'eth0' }], 0);
    const outcome = ban('2001:db8::5');
    assert.ok(outcome.kind === 'banned');
    assert.deepEqual([outcome.ban.subject, outcome.narrowed?.reason], ['2001:db8::5/128', 'gateway']);
  });
  test('a second ban prolongs the first, and never shortens it', () => {
    ban('192.0.2.4', { forMs: 100 * minuteMs });
    const shorter = ban('192.0.2.4', { forMs: minuteMs });
    assert.ok(shorter.kind === 'banned' && shorter.already && shorter.ban.untilMs === 100 * minuteMs);
    ban('192.0.2.4', { forMs: Infinity });
    assert.deepEqual(kernel(0), ['192.0.2.4/32 until Infinity']);
  });
  test('a jail can be named, if there is one', () => {
    assert.equal(ban('192.0.2.4', { jail: 'none' }).kind, 'unknown_jail');
    const outcome = ban('192.0.2.4', { jail: 'mail' });
    assert.ok(outcome.kind === 'banned' && outcome.ban.untilMs === 60 * minuteMs && outcome.ban.origin === 'manual');
    assert.deepEqual(said(fail('192.0.2.4', 1)), ['ignore 192.0.2.4/32 banned']);
  });
  test('unban ends every ban that covers the address, in every jail, and forgets its windows', () => {
    const wide: Jail = { ...mail, name: 'wide', prefix: { ipv4: 24, ipv6: 48 } };
    decider.reload([mail, wide], 0);
    fail('192.0.2.4', 0, { weight: 3 });
    ban('192.0.2.4');
    assert.deepEqual(said(decider.unban(prefix('192.0.2.4/32'), minuteMs)).toSorted(), [
      'unban 192.0.2.0/24 manual',
      'unban 192.0.2.4/32 manual',
      'unban 192.0.2.4/32 manual',
    ]);
    fail('192.0.2.9', 2);
    decider.unban(prefix('192.0.2.9/32'), 2 * minuteMs);
    assert.equal(decider.totals().tracked, 0);
    assert.deepEqual(kernel(2), []);
  });
  test('what was written before the pardon does not count after it', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    decider.unban(prefix('192.0.2.4/32'), 5 * minuteMs);
    const late = { atMs: 4 * minuteMs, nowMs: 6 * minuteMs, trust: 'full', weight: 3, evidence: undefined } as const;
    assert.deepEqual(said(decider.decide([detection('192.0.2.4')], late)), ['ignore 192.0.2.4/32 banned']);
  });
  test('unban of everything', () => {
    for (const from of ['192.0.2.4', '192.0.2.5']) fail(from, 0, { weight: 3 });
    fail('192.0.2.6', 0);
    assert.equal(decider.unbanAll(minuteMs).length, 2);
    assert.deepEqual([decider.totals().tracked, decider.totals().bans], [0, 0]);
  });
});

describe('reload', () => {
  test('lifts the bans of a jail that is gone, and keeps windows of those that remain', () => {
    const other: Jail = { ...mail, name: 'other' };
    decider.reload([mail, other], 0);
    fail('192.0.2.4', 0, { weight: 3 });
    fail('192.0.2.5', 0);
    const decisions = decider.reload([mail], minuteMs);
    assert.deepEqual(
      decisions.map((each) => `${each.kind} ${each.jail}`),
      ['unban other'],
    );
    assert.deepEqual(said(fail('192.0.2.5', 1)), ['watch 192.0.2.5/32 2']);
  });
  test('puts would-be bans into the kernel when their jail observes no longer, and takes them out when it does', () => {
    decider.reload([{ ...mail, observe: true }], 0);
    fail('192.0.2.4', 0, { weight: 3 });
    assert.deepEqual(decider.takeKernelChanges(0), []);
    decider.reload([mail], 0);
    assert.deepEqual(
      decider.takeKernelChanges(0).map(({ kind }) => kind),
      ['put'],
    );
    decider.reload([{ ...mail, observe: true }], 0);
    assert.deepEqual(
      decider.takeKernelChanges(0).map(({ kind }) => kind),
      ['remove'],
    );
  });
  test('moves bans to other ports', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    decider.takeKernelChanges(0);
    decider.reload([{ ...mail, ports: { kind: 'all' } }], 0);
    assert.deepEqual(
      decider
        .takeKernelChanges(0)
        .map(({ kind, ports }) => `${kind} ${ports.kind}`)
        .toSorted(),
      ['put all', 'remove list'],
    );
  });
});

describe('at its bounds', () => {
  test('a new ban ends the one that would end first', () => {
    decider = new Decider([mail], { ...limits, maxBans: 2 }, manual);
    for (const [from, minute] of [
      ['192.0.2.4', 5],
      ['192.0.2.5', 1],
      ['192.0.2.6', 6],
    ] as const) {
      const atMs = minute * minuteMs;
      const out = decider.decide([detection(from)], { atMs, nowMs: 6 * minuteMs, trust: 'full', weight: 3, evidence: undefined });
      if (minute === 6) assert.deepEqual(said(out), ['unban 192.0.2.5/32 evicted', 'ban 192.0.2.6/32 60']);
    }
    assert.equal(decider.totals().bans, 2);
  });
  test('bans that only would be push out no real ones', () => {
    const noise: Jail = { ...mail, name: 'noise', filters: ['sshd'], maxretry: 1, observe: true };
    decider = new Decider([mail, noise], { ...limits, maxBans: 2 }, manual);
    fail('192.0.2.4', 0, { weight: 3 });
    for (let host = 1; host < 9; host++)
      decider.decide([detection(`198.51.100.${host}`, { filter: 'sshd' })], {
        atMs: host,
        nowMs: host,
        trust: 'full',
        weight: 1,
        evidence: undefined,
      });
    assert.deepEqual(kernel(0), ['192.0.2.4/32 until 60']);
  });
  test('of history the oldest goes', () => {
    decider = new Decider([mail], { ...limits, maxHistory: 2 }, manual);
    for (const [index, from] of ['192.0.2.4', '192.0.2.5', '192.0.2.6'].entries()) fail(from, index, { weight: 3 });
    decider.expire(100 * minuteMs);
    assert.equal(decider.totals().historyEvicted, 1);
    assert.equal(said(fail('192.0.2.4', 100, { weight: 3 })).at(-1), 'ban 192.0.2.4/32 60');
    assert.equal(said(fail('192.0.2.6', 100, { weight: 3 })).at(-1), 'ban 192.0.2.6/32 120');
  });
  test('a hundred thousand bans end in time order, a part of them with each call', () => {
    decider = new Decider([{ ...mail, maxretry: 1 }], { ...limits, maxBans: 200_000, maxHistory: 200_000 }, manual);
    const count = 100_000;
    for (let host = 0; host < count; host++) {
      const from = `10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`;
      // Ends in no order at all: 7919 has no factor in common with the count.
      decider.decide([detection(from)], { atMs: (host * 7_919) % count, nowMs: count, trust: 'full', weight: 1, evidence: undefined });
    }
    let lastMs = 0;
    let ended = 0;
    while (decider.totals().bans > 0) {
      const decisions = decider.expire(count + 60 * minuteMs);
      assert.ok(decisions.length > 0 && decisions.length < count / 10);
      for (const decision of decisions) {
        assert.ok(decision.kind === 'unban' && decision.ban.untilMs >= lastMs);
        lastMs = decision.ban.untilMs;
        ended++;
      }
    }
    assert.equal(ended, count);
  });
});

describe('explain', () => {
  test('gives bans, windows, history, evidence of every subject that holds the address', () => {
    const wide: Jail = { ...mail, name: 'wide', maxretry: 9, prefix: { ipv4: 24, ipv6: 48 } };
    decider.reload([mail, wide], 0);
    for (const minute of [0, 1, 2]) fail('192.0.2.4', minute);
    fail('192.0.2.9', 3);
    const known = decider.explain(address('192.0.2.4'), 4 * minuteMs);
    assert.deepEqual(
      known.bans.map(({ ban, failures, trust }) => [ban.jail, ban.subject, failures, trust]),
      [['mail', '192.0.2.4/32', 3, 'full']],
    );
    assert.deepEqual(
      known.windows.map(({ jail, subject, failuresMs, counting }) => [jail.name, subject, failuresMs.length, counting]),
      [['wide', '192.0.2.0/24', 4, 4]],
    );
    assert.deepEqual(
      known.evidence.filter(({ subject }) => subject === '192.0.2.4/32').map(({ line }) => line),
      ['at minute 0', 'at minute 1', 'at minute 2'],
    );
    decider.unban(prefix('192.0.2.4/32'), 4 * minuteMs);
    assert.deepEqual(decider.explain(address('192.0.2.4'), 4 * minuteMs).history, [
      { jail: 'mail', subject: '192.0.2.4/32', count: 1, endedMs: 4 * minuteMs, trust: 'full' },
    ]);
  });
  test('also answers for an address that nothing is known of, and for one that is never banned', () => {
    assert.deepEqual(decider.explain(address('203.0.113.1'), 0), {
      address: '203.0.113.1',
      protectedBy: [],
      bans: [],
      windows: [],
      history: [],
      evidence: [],
    });
    assert.deepEqual(
      decider.explain(address('127.0.0.1'), 0).protectedBy.map(({ reason }) => reason),
      ['loopback'],
    );
  });
});

describe('a start', () => {
  test('knows what the last checkpoint had: bans, windows, history, what is allowed', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    fail('192.0.2.5', 0, { weight: 3 });
    fail('192.0.2.6', 50);
    decider.unban(prefix('192.0.2.5/32'), minuteMs);
    decider.allow({ prefix: prefix('192.0.2.7'), untilMs: Infinity }, minuteMs);
    const state = decider.snapshot();
    decider = new Decider([mail], limits, manual);
    assert.deepEqual(decider.restore(state, 51 * minuteMs), []);
    assert.deepEqual(
      decider.takeKernelChanges(51 * minuteMs).map((change) => [change.subject, change.kind === 'put' && change.mayExist]),
      [['192.0.2.4/32', true]],
    );
    assert.deepEqual(said(fail('192.0.2.6', 52)), ['watch 192.0.2.6/32 2']);
    assert.equal(said(fail('192.0.2.5', 52, { weight: 3 })).at(-1), 'ban 192.0.2.5/32 120');
    assert.deepEqual(said(fail('192.0.2.7', 52)), ['ignore 192.0.2.7/32 protected']);
  });
  test('with pauses is the same, and the never-banned list is complete before the first ban', () => {
    for (let host = 1; host <= 9; host++) fail(`192.0.2.${host}`, 0, { weight: 3 });
    decider.allow({ prefix: prefix('198.51.100.7'), untilMs: Infinity }, minuteMs);
    const state = decider.snapshot();
    decider = new Decider([mail], limits, manual);
    const restoring = decider.restoring(state, minuteMs, 4);
    restoring.next();
    assert.ok(decider.neverBanned.entries.some((entry) => entry.prefix === '198.51.100.7/32'));
    const after = restoring.map(() => [...decider.bans()].length).toArray();
    assert.deepEqual(after, [0, 4, 8]);
    assert.deepEqual(decider.snapshot(), state);
  });
  test('tells whether any ban has a length that no jail has', () => {
    const known = { ipv4: [24], ipv6: [64] };
    const banned = (subject: string): boolean => {
      decider = new Decider([mail], limits, manual);
      decider.ban({ target: { kind: 'prefix', prefix: prefix(subject) }, forMs: minuteMs, nowMs: 0 });
      return decider.bansOthersThan(known);
    };
    assert.equal(decider.bansOthersThan(known), false);
    for (const subject of ['192.0.2.4/32', '2001:db8::1/128', '2001:db8:1:2::/64']) assert.equal(banned(subject), false, subject);
    // Mapped, a /24 of IPv4 and a /120 of IPv6 are of the same length.
    for (const subject of ['192.0.2.0/25', '2001:db8::/63', '2001:db8::/120', '192.0.2.0/24']) assert.equal(banned(subject), true, subject);
    assert.equal(decider.bansOthersThan({ ipv4: [24], ipv6: [120] }), false);
  });
  test('makes history of what ended meanwhile, and drops what belongs to no jail any more', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    fail('192.0.2.6', 0);
    const state = decider.snapshot();
    const later = new Decider([{ ...mail, name: 'other' }], limits, manual);
    assert.deepEqual(said(later.restore(state, minuteMs)), ['unban 192.0.2.4/32 jail_removed']);
    const { bans, windows } = later.takeChanges();
    assert.deepEqual([bans[0]?.ban, windows[0]?.failuresMs], [undefined, []]);
    const same = new Decider([mail], limits, manual);
    assert.deepEqual(said(same.restore(state, 60 * minuteMs)), ['unban 192.0.2.4/32 expired']);
    assert.deepEqual(same.takeKernelChanges(60 * minuteMs), []);
    assert.deepEqual(
      same.takeChanges().past.map(({ past }) => past?.count),
      [1],
    );
  });
  test('lifts stored bans of what is never banned now', () => {
    fail('192.0.2.4', 0, { weight: 3 });
    const state = decider.snapshot();
    decider = new Decider([mail], limits, manual);
    decider.protect([{ prefix: prefix('192.0.2.4/32'), reason: 'gateway', detail: 'eth0' }], minuteMs);
    assert.deepEqual(said(decider.restore(state, minuteMs)), ['unban 192.0.2.4/32 allowlist']);
    assert.deepEqual(
      decider.takeKernelChanges(minuteMs).map(({ kind }) => kind),
      ['remove'],
    );
  });
});
