import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decider } from '../../src/decide/decider.ts';
import { parseAddress, type Address } from '../../src/model/address.ts';
import type { Jail } from '../../src/model/decision.ts';

const limits = { seed: [1, 2], maxSubjects: 100, maxBans: 100, maxHistory: 100, evidenceBytes: 10_000 } as const;
const manual = { bantime: { firstMs: 1, factor: 1, maxMs: 1, forgetMs: 1 }, prefix: { ipv4: 32, ipv6: 64 } };
const startMs = Date.UTC(2026, 10, 22);

function jail(name: string, more: Partial<Jail> = {}): Jail {
  return {
    name,
    filters: [`fail2ban:${name}`],
    maxretry: 3,
    findtimeMs: 600_000,
    bantime: { firstMs: 60_000, factor: 1, maxMs: 60_000, forgetMs: 1e9 },
    prefix: { ipv4: 32, ipv6: 128 },
    ports: { kind: 'all' },
    observe: false,
    ...more,
  };
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

function fail(decider: Decider, name: string, atMs: number, length?: number) {
  const named = length === undefined ? {} : { length };
  const detection = {
    filter: `fail2ban:${name}`,
    pattern: 'failregex-1',
    address: address('192.0.2.7'),
    captures: new Map(),
    follows: false,
  };
  return decider.decide([{ ...detection, ...named }], { atMs, nowMs: atMs, trust: 'full', weight: 1, evidence: undefined });
}

test('after earlier bans a failure counts for more, and the length is what the formula says', () => {
  const lengthMs = (earlier: number) => 60_000 * (earlier + 1);
  const bantime = { firstMs: 60_000, factor: 1, maxMs: Infinity, forgetMs: 1e9, lengthMs, heavierReturns: true };
  const decider = new Decider([jail('sshd', { bantime })], limits, manual);
  const lengths: number[] = [];
  let failures = 0;
  for (let atMs = startMs; lengths.length < 4; atMs += 1_000) {
    const [decision] = fail(decider, 'sshd', atMs);
    if (decision?.kind === 'ignore') continue;
    failures += 1;
    if (decision?.kind !== 'ban') continue;
    lengths.push(decision.ban.untilMs - decision.ban.sinceMs, failures);
    failures = 0;
    atMs = decision.ban.untilMs;
    decider.expire(atMs);
  }
  // Three failures for the first ban; the second needs two, because each counts twice.
  assert.deepEqual(lengths, [60_000, 3, 120_000, 2]);
});

test('with `overall`, bans of other jails count', () => {
  const lengthMs = (earlier: number) => 1_000 * (earlier + 1);
  const own = { firstMs: 1_000, factor: 1, maxMs: 1_000, forgetMs: 1e9 };
  const jails = [
    jail('a', { maxretry: 1, bantime: own }),
    jail('b', { maxretry: 1, bantime: own }),
    jail('c', { maxretry: 1, bantime: { ...own, lengthMs, overall: true } }),
  ];
  const decider = new Decider(jails, limits, manual);
  fail(decider, 'a', startMs);
  decider.expire(startMs + 2_000);
  fail(decider, 'b', startMs + 2_000);
  const [ban] = fail(decider, 'c', startMs + 2_001);
  assert.ok(ban?.kind === 'ban');
  assert.equal(ban.ban.untilMs - ban.ban.sinceMs, 3_000);
});

test('a jail that closes nothing bans, and the kernel hears nothing of it', () => {
  const decider = new Decider([jail('mail', { maxretry: 1, closes: false })], limits, manual);
  assert.equal(fail(decider, 'mail', startMs)[0]?.kind, 'ban');
  assert.deepEqual(decider.takeKernelChanges(startMs), []);
  assert.deepEqual([...decider.kernelElements(startMs)], []);
});

test('an offence that names a network bans that network', () => {
  const decider = new Decider([jail('net', { maxretry: 1 })], limits, manual);
  const [ban] = fail(decider, 'net', startMs, 24);
  assert.equal(ban?.subject, '192.0.2.0/24');
});
