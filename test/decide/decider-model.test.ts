import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { manualJail } from '../../src/decide/by-hand.ts';
import { Decider } from '../../src/decide/decider.ts';
import { portsKey } from '../../src/decide/kernel-view.ts';
import { type Address, parseAddress, parsePrefix, type Prefix } from '../../src/model/address.ts';
import type { StoredState } from '../../src/model/checkpoint.ts';
import type { Jail } from '../../src/model/decision.ts';
import type { Detection } from '../../src/model/detection.ts';
import type { Protection } from '../../src/model/protection.ts';
import type { Trust } from '../../src/model/record.ts';
import { outcomeOf, type Outcome, SlowDecider } from './slow-decider.ts';

const bantime = { firstMs: 20, factor: 2, maxMs: 70, forgetMs: 40 };
const mail = { kind: 'list', protocol: 'tcp', ports: [25, 587] } as const;
const manual: Jail = {
  name: manualJail,
  filters: [],
  maxretry: 1,
  findtimeMs: 1,
  bantime: { firstMs: 30, factor: 1, maxMs: 30, forgetMs: 0 },
  prefix: { ipv4: 32, ipv6: 64 },
  ports: { kind: 'all' },
  observe: false,
};
/** Several jails over one filter, two with the same ports, a wider prefix, a growing and a permanent ban, one that observes. */
const relay: Jail = {
  name: 'relay',
  filters: ['mail/relay'],
  maxretry: 2,
  findtimeMs: 10,
  bantime,
  prefix: { ipv4: 32, ipv6: 64 },
  ports: mail,
  observe: false,
};
const slow: Jail = {
  ...relay,
  name: 'slow',
  filters: ['mail', 'other/relay'],
  maxretry: 3,
  findtimeMs: 25,
  ports: { ...mail, ports: [587, 25] },
};
const wide: Jail = { ...relay, name: 'wide', filters: ['mail'], prefix: { ipv4: 24, ipv6: 48 }, ports: { kind: 'all' } };
const forever: Jail = { ...relay, name: 'forever', filters: ['other'], bantime: { ...bantime, firstMs: Infinity, maxMs: Infinity } };
const noise: Jail = { ...relay, name: 'noise', filters: ['mail', 'other'], maxretry: 1, observe: true };
/** What a reload may bring. */
const configurations: readonly (readonly Jail[])[] = [
  [relay, slow, wide, forever, noise],
  [relay, slow],
  [slow, { ...relay, ports: { kind: 'all' } }, { ...noise, observe: false }, { ...wide, maxretry: 1, findtimeMs: 30 }],
  [{ ...relay, observe: true }, forever, { ...slow, prefix: { ipv4: 16, ipv6: 128 } }],
];

const limits = { seed: [7, 11], maxSubjects: 10_000, maxBans: 10_000, maxHistory: 10_000, evidenceBytes: 100_000 } as const;
const addresses = ['192.0.2.1', '192.0.2.2', '192.0.3.1', '2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:2::1'].map((text) => {
  const address = parseAddress(text);
  assert.ok(address);
  return address;
});
const prefixes = ['192.0.2.1/32', '192.0.2.0/24', '2001:db8:0:1::2/128', '2001:db8:0:1::/64', '2001:db8::/32'].map((text) => {
  const prefix = parsePrefix(text);
  assert.ok(prefix);
  return prefix;
});

type Step =
  | {
      readonly kind: 'record';
      readonly detections: readonly Detection[];
      readonly aheadMs: number;
      readonly lateMs: number;
      readonly trust: Trust;
      readonly weight: number;
    }
  | { readonly kind: 'expire'; readonly aheadMs: number }
  | { readonly kind: 'ban'; readonly address: Address; readonly jail: number; readonly forMs: number | undefined }
  | { readonly kind: 'unban' | 'allow' | 'disallow' | 'protect'; readonly prefix: Prefix; readonly forMs: number }
  | { readonly kind: 'reload'; readonly to: number }
  | { readonly kind: 'kernel' | 'checkpoint' | 'restart' };

const address = fc.constantFrom(...addresses);
const detection = fc.record({
  filter: fc.constantFrom('mail', 'mail', 'other'),
  pattern: fc.constantFrom('relay', 'auth'),
  address,
  captures: fc.constant(new Map<string, string>()),
  follows: fc.constantFrom(false, false, false, false, true),
});
const record: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('record'),
  detections: fc.array(detection, { minLength: 1, maxLength: 2 }),
  aheadMs: fc.nat(6),
  lateMs: fc.oneof(fc.constant(0), fc.nat(12), fc.nat(60)),
  trust: fc.constantFrom('full', 'full', 'full', 'low'),
  weight: fc.constantFrom(1, 1, 1, 2, 5),
});
const other: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('expire'), aheadMs: fc.nat(30) }),
  fc.record({ kind: fc.constant('ban'), address, jail: fc.nat(9), forMs: fc.constantFrom(undefined, 5, 100, Infinity) }),
  fc.record({
    kind: fc.constantFrom('unban', 'allow', 'disallow', 'disallow', 'protect'),
    prefix: fc.constantFrom(...prefixes),
    forMs: fc.constantFrom(10, 30, Infinity),
  }),
  fc.record({ kind: fc.constant('reload'), to: fc.nat(configurations.length - 1) }),
  fc.record({ kind: fc.constantFrom('kernel', 'checkpoint', 'restart') }),
);
const steps = fc.array(fc.oneof({ weight: 4, arbitrary: record }, { weight: 2, arbitrary: other }), { maxLength: 80, size: 'max' });

/** The decider and the model side by side, with a kernel and a store that do as they are told. */
class Twins {
  decider = new Decider(configurations[0] ?? [], limits, manual);
  readonly slow = new SlowDecider([...(configurations[0] ?? []), manual]);
  /** (ports, subject) -> end; what ended stays a while, as it does in the kernel. */
  readonly kernel = new Map<string, number>();
  readonly store = {
    bans: new Map<string, StoredState['bans'][number]>(),
    past: new Map<string, StoredState['past'][number]>(),
    windows: new Map<string, StoredState['windows'][number]>(),
    allow: new Map<string, StoredState['allow'][number]>(),
  };
  nowMs = 1_000;

  step(step: Step): void {
    const { decider, slow } = this;
    switch (step.kind) {
      case 'record': {
        this.nowMs += step.aheadMs;
        const facts = { atMs: this.nowMs - step.lateMs, nowMs: this.nowMs, trust: step.trust, weight: step.weight };
        const decisions = decider.decide(step.detections, { ...facts, evidence: undefined });
        assert.deepEqual(decisions.map(outcomeOf), slow.decide(step.detections, facts));
        return;
      }
      case 'expire':
        this.nowMs += step.aheadMs;
        same(decider.expire(this.nowMs).map(outcomeOf), slow.expire(this.nowMs));
        return;
      case 'ban': {
        const jail = decider.jails[step.jail % decider.jails.length]?.name ?? manualJail;
        const forMs = step.forMs === undefined ? {} : { forMs: step.forMs };
        const outcome = decider.ban({ target: { kind: 'address', address: step.address }, jail, ...forMs, nowMs: this.nowMs });
        const expected = slow.ban({ address: step.address, jail, forMs: step.forMs, nowMs: this.nowMs });
        if (outcome.kind === 'banned') assert.deepEqual(outcome.ban, expected);
        else assert.equal(outcome.kind, expected);
        return;
      }
      case 'unban':
        same(decider.unban(step.prefix, this.nowMs).map(outcomeOf), slow.unban(step.prefix, this.nowMs));
        return;
      case 'allow': {
        const untilMs = this.nowMs + step.forMs;
        same(decider.allow({ prefix: step.prefix, untilMs }, this.nowMs).map(outcomeOf), slow.allow(step.prefix, untilMs, this.nowMs));
        return;
      }
      case 'disallow':
        decider.disallow(step.prefix);
        slow.disallow(step.prefix);
        return;
      case 'protect': {
        const protection: Protection | undefined =
          step.forMs === Infinity ? undefined : { prefix: step.prefix, reason: 'gateway', detail: '' };
        const listed = protection === undefined ? [] : [protection];
        same(decider.protect(listed, this.nowMs).map(outcomeOf), slow.protect(protection, this.nowMs));
        return;
      }
      case 'reload': {
        const jails = configurations[step.to] ?? [];
        same(decider.reload(jails, this.nowMs).map(outcomeOf), slow.reload([...jails, manual], this.nowMs));
        return;
      }
      case 'kernel':
        this.#tellKernel();
        return;
      case 'checkpoint':
        this.#checkpoint();
        return;
      case 'restart':
        this.#restart();
    }
  }

  /** The kernel has exactly what it should; so has a fresh look at everything. */
  #tellKernel(): void {
    for (const change of this.decider.takeKernelChanges(this.nowMs)) {
      const name = `${portsKey(change.ports)} ${change.subject}`;
      if (change.kind === 'remove') assert.ok(this.kernel.delete(name), `${name} is removed, and was there`);
      else {
        if (!change.mayExist) assert.ok(!this.kernel.has(name), `${name} is new, as was said`);
        this.kernel.set(name, change.untilMs);
      }
    }
    const expected = this.slow.kernel(this.nowMs, ({ ports }) => portsKey(ports));
    const inForce = [...this.kernel].filter(([, untilMs]) => untilMs > this.nowMs);
    assert.deepEqual(new Map(inForce), expected);
    const elements = [...this.decider.kernelElements(this.nowMs)].map(
      ({ ports, subject, untilMs }) => [`${portsKey(ports)} ${subject}`, untilMs] as const,
    );
    assert.equal(elements.length, expected.size, 'each element once');
    assert.deepEqual(new Map(elements), expected);
  }

  #checkpoint(): void {
    const { bans, past, windows, allow } = this.decider.takeChanges();
    for (const { jail, subject, ban } of bans) put(this.store.bans, `${jail} ${subject}`, ban);
    for (const { jail, subject, past: ended } of past) put(this.store.past, `${jail} ${subject}`, ended);
    for (const row of windows) put(this.store.windows, `${row.jail} ${row.subject}`, row.failuresMs.length === 0 ? undefined : row);
    for (const { prefix, untilMs } of allow) put(this.store.allow, prefix, untilMs === undefined ? undefined : { prefix, untilMs });
    same(this.#stored().bans, this.decider.snapshot().bans);
    same(this.#stored().past, this.decider.snapshot().past);
    same(this.#stored().windows, this.decider.snapshot().windows);
    same(this.#stored().allow, this.decider.snapshot().allow);
  }

  #stored(): Omit<StoredState, 'cursors'> {
    const { bans, past, windows, allow } = this.store;
    return { bans: [...bans.values()], past: [...past.values()], windows: [...windows.values()], allow: [...allow.values()] };
  }

  #restart(): void {
    this.#checkpoint();
    // What the kernel has not been told goes with the process, so it is told first; then only what the store has is known.
    this.#tellKernel();
    // A restart takes longer than nft is late: what ended is gone from the kernel.
    for (const [name, untilMs] of this.kernel) if (untilMs <= this.nowMs) this.kernel.delete(name);
    const { jails } = this.decider;
    this.decider = new Decider(
      jails.filter(({ name }) => name !== manualJail),
      limits,
      manual,
    );
    same(this.decider.protect(this.slow.listed, this.nowMs), []);
    same(this.decider.restore(this.#stored(), this.nowMs).map(outcomeOf), this.slow.restart(this.nowMs));
    this.#checkpoint();
    this.#tellKernel();
  }
}

function put<T>(rows: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) rows.delete(name);
  else rows.set(name, value);
}

/** The same things in whatever order. */
function same(actual: readonly unknown[], expected: readonly unknown[]): void {
  assert.deepEqual(actual.map(canonical).toSorted(), expected.map(canonical).toSorted());
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner === Infinity) return 'never';
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => a.localeCompare(b)));
  });
}

test('decides as the slow model does, whatever happens in whatever order', () => {
  fc.assert(
    fc.property(steps, (each) => {
      const twins = new Twins();
      for (const step of each) twins.step(step);
      twins.step({ kind: 'kernel' });
      twins.step({ kind: 'checkpoint' });
    }),
    { numRuns: Number(process.env['SLUICE_RUNS'] ?? 600) },
  );
});

test('the model and its steps reach what matters', () => {
  const seen = new Map<string, number>();
  const note = (outcome: Outcome) => {
    const name = outcome.kind === 'ignore' || outcome.kind === 'unban' ? `${outcome.kind} ${outcome.because}` : outcome.kind;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (outcome.kind === 'ban' && outcome.ban.count > 2) seen.set('third ban', 1);
  };
  for (const each of fc.sample(steps, { numRuns: 300, seed: 1 })) {
    const decider = new Decider(configurations[0] ?? [], limits, manual);
    let nowMs = 1_000;
    for (const step of each) {
      if (step.kind === 'record' || step.kind === 'expire') nowMs += step.aheadMs;
      if (step.kind === 'record')
        decider
          .decide(step.detections, { atMs: nowMs - step.lateMs, nowMs, trust: step.trust, weight: step.weight, evidence: undefined })
          .map(outcomeOf)
          .forEach(note);
      if (step.kind === 'expire') decider.expire(nowMs).map(outcomeOf).forEach(note);
      if (step.kind === 'unban') decider.unban(step.prefix, nowMs).map(outcomeOf).forEach(note);
      if (step.kind === 'allow')
        decider
          .allow({ prefix: step.prefix, untilMs: nowMs + step.forMs }, nowMs)
          .map(outcomeOf)
          .forEach(note);
      if (step.kind === 'reload')
        decider
          .reload(configurations[step.to] ?? [], nowMs)
          .map(outcomeOf)
          .forEach(note);
    }
  }
  for (const name of [
    'watch',
    'ban',
    'third ban',
    'ignore protected',
    'ignore banned',
    'ignore stale',
    'ignore duplicate',
    'unban expired',
    'unban manual',
    'unban allowlist',
    'unban jail_removed',
  ])
    assert.ok((seen.get(name) ?? 0) > 0, `${name} happened`);
});
