import type { Explanation } from '../control/protocol.ts';
import type { Decider } from '../decide/decider.ts';
import { createEnforcer, type Enforcer, type Wanted } from '../enforce/enforcer.ts';
import { findSs } from '../enforce/socket-kill.ts';
import type { Settled } from '../enforce/waiters.ts';
import type { Events } from './events.ts';
import type { Metrics } from '../metrics/registry.ts';
import { type Address, formatSubject, type Prefix } from '../model/address.ts';
import type { Jail, KernelChange } from '../model/decision.ts';
import type { Ports } from '../model/filter.ts';
import type { LogRecord } from '../model/record.ts';

/** What the daemon does with the kernel; with `observe` nothing of it happens, and everything settles at once. */
export interface KernelLink {
  /** @param restored resolves when the decider knows all bans; until then the table is made */
  readonly start: (jails: readonly Jail[], allow: readonly Prefix[], restored: Promise<void>) => Promise<Settled>;
  readonly configure: (jails: readonly Jail[], allow: readonly Prefix[]) => Promise<Settled>;
  readonly setAllow: (allow: readonly Prefix[]) => void;
  /** @param record what led to it: the latency is measured from there */
  readonly apply: (changes: readonly KernelChange[], record: LogRecord | undefined) => void;
  readonly settled: () => Promise<Settled>;
  /** What the kernel has on the address. */
  readonly lookUp: (address: Address) => Promise<Pick<Explanation, 'kernel' | 'kernelDetail'>>;
  /** Whether bans reach the kernel now, and if not, why. */
  readonly trouble: () => string | undefined;
  readonly stop: () => Promise<void>;
}

export interface KernelLinkDeps {
  /** Path of nft. */
  readonly nft: string;
  readonly setSize: number;
  readonly decider: Decider;
  readonly events: Events;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

const inKernel: Settled = { kind: 'in_kernel' };

export const observing: KernelLink = {
  start: async () => inKernel,
  configure: async () => inKernel,
  setAllow: () => {},
  apply: () => {},
  settled: async () => inKernel,
  lookUp: async () => ({ kernel: null, kernelDetail: 'observing: nothing is written to the kernel' }),
  trouble: () => undefined,
  stop: async () => {},
};

const starting = 'the table is being made';

/** Starts the small children that run nft, so it should come before anything large is loaded. */
export function linkKernel({ nft, setSize, decider, events, metrics, nowMs }: KernelLinkDeps): KernelLink {
  let trouble: string | undefined = starting;

  function* currentState(): Generator<KernelChange, void, void> {
    for (const element of decider.kernelElements(nowMs())) yield { kind: 'put', mayExist: true, ...element };
  }

  const enforcer: Enforcer = createEnforcer(
    { nft, ss: findSs(), setSize, currentState },
    {
      committed: (changes) => {
        const now = nowMs();
        for (const change of changes) {
          if (change.kind === 'remove' || change.since === undefined) continue;
          const { since } = change;
          metrics.kernel.eventToKernel[since.start].observe(Math.max(0, now - since.ms) / 1_000);
        }
      },
      transaction: (result, tookMs) => metrics.kernel.transaction(result, tookMs / 1_000),
      restored: (elements, tookMs) => {
        if (elements > 0) events.notice('notice', `${elements} bans are in the kernel, written in ${Math.round(tookMs)} ms`);
      },
      refused: ({ subject }, why) => events.notice('error', `nft does not take ${formatSubject(subject)}: ${why}`),
      full: (set, waiting) =>
        events.notice('error', `the set ${set} in the kernel is full, ${waiting} bans wait: raise enforce.set_size, or shorten bantime`),
      up: (up, why) => {
        // That it works at the start is no news.
        const first = trouble === starting;
        trouble = up ? undefined : why;
        metrics.kernel.enforcing.set(up ? 1 : 0);
        if (up && !first) events.notice('notice', 'bans reach the kernel again');
        if (!up) events.notice('error', `bans do not reach the kernel: ${why}`);
      },
      unable: (why) => events.notice('notice', why),
      drift: (found) => {
        metrics.kernel.repairs.inc();
        for (const { what } of found.slice(0, 3))
          events.notice('warning', `somebody changed the table inet sluice: ${what}; it is made again`);
      },
      // It stands until the next comparison, so that a scrape sees it.
      audited: (found) => {
        for (const set of enforcer.elements().keys()) for (const gauge of Object.values(metrics.set(set).drift)) gauge.set(0);
        for (const { kind, what, name, count } of found) if (what === 'element') metrics.set(name).drift[kind].set(count);
        metrics.kernel.reconciled(nowMs());
      },
    },
  );
  metrics.onScrape(() => {
    metrics.queue('enforce').length.set(enforcer.waiting());
    metrics.queue('enforce').capacity.set(enforcer.maxWaiting);
    const dropped = enforcer.packets();
    const all = enforcer.elements();
    metrics.kernelSets(all.keys());
    for (const [set, elements] of all) {
      const series = metrics.set(set);
      series.elements.set(elements);
      series.capacity.set(enforcer.setSize);
      const drops = dropped.get(set);
      if (drops !== undefined) series.dropped(drops.packets, drops.bytes);
    }
  });

  return {
    start: (jails, allow, restored) => enforcer.start(wantedBy(jails, allow, decider), restored),
    configure: (jails, allow) => enforcer.configure(wantedBy(jails, allow, decider)),
    setAllow: (allow) => enforcer.setAllow(allow),
    apply: (changes, record) => {
      if (record === undefined) return enforcer.apply(changes);
      const since =
        record.stamp?.fraction === true
          ? { ms: record.stamp.ms, start: 'stamp' as const }
          : { ms: record.receivedMs, start: 'received' as const };
      enforcer.apply(changes.map((change) => (change.kind === 'put' ? { ...change, since } : change)));
    },
    settled: () => enforcer.settled(),
    lookUp: async (address) => {
      const found = await enforcer.lookUp(address);
      return found.kind === 'found' ? { kernel: found.elements, kernelDetail: '' } : { kernel: null, kernelDetail: found.why };
    },
    trouble: () => trouble,
    stop: () => enforcer.stop(),
  };
}

/** Chains for the ports of every jail that acts, sets for the prefix lengths that they ban. */
function wantedBy(jails: readonly Jail[], allow: readonly Prefix[], decider: Decider): Wanted {
  const acting = jails.filter(({ observe }) => !observe);
  const lists = new Map<string, Ports>(acting.map(({ ports }) => [JSON.stringify(ports), ports]));
  const lengths = (family: 'ipv4' | 'ipv6', whole: number): readonly number[] => [
    ...new Set(acting.map(({ prefix }) => prefix[family]).filter((length) => length < whole)),
  ];
  const used = { ipv4: lengths('ipv4', 32), ipv6: lengths('ipv6', 128) };
  // Those by hand are of all ports and of any length, and jails that are gone had others.
  return { lists: [...lists.values()], lengths: used, others: () => decider.bansOthersThan(used), allow };
}
