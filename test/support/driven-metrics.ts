import type { Prefix } from '../../src/model/address.ts';
import { parsePrefix } from '../../src/model/address.ts';
import type { Configured, Metrics } from '../../src/metrics/registry.ts';

/** A mail server's configuration, as the daemon would tell it. */
export const configured = {
  sources: [
    { name: 'journal', kind: 'journal', silenceMs: 0 },
    { name: 'udp://127.0.0.1:5514', kind: 'syslog', silenceMs: 3_600_000 },
    { name: '/var/log/mail.log', kind: 'file', silenceMs: 600_000 },
  ],
  jails: ['postfix-relay', 'postfix-auth', 'postfix-noise'],
  filters: [
    { name: 'postfix', patterns: ['relay-denied', 'sasl-failed', 'unknown-user'] },
    { name: 'sshd', patterns: ['failed-login'] },
  ],
} as const satisfies Configured;

const sets = ['tcp_25_465_587_h4', 'tcp_25_465_587_m6_64', 'all_h4'];

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new TypeError(text);
  return parsed;
}
const subjects = [prefix('192.0.2.4/32'), prefix('2001:db8:1::/64')] as const;

/** One busy moment of a daemon: a bit of everything that is counted. Called again and again, every rate is above zero. */
export function drive(metrics: Metrics): void {
  const nowMs = Date.now();
  for (const { name } of configured.sources) {
    const source = metrics.source(name);
    source.read(100, 20_000, nowMs);
    source.lag(12);
    source.up.set(1);
    source.connections.set(2);
    for (const counter of [...Object.values(source.errors), ...Object.values(source.lost)]) counter.inc();
  }
  for (const { name, patterns } of configured.filters) {
    const filter = metrics.filter(name);
    for (const pattern of patterns) filter.matched(pattern);
    for (const counter of [filter.timeouts, ...Object.values(filter.ignored)]) counter.inc();
  }
  for (const name of configured.jails) {
    const jail = metrics.jail(name);
    for (const counter of [jail.failures, jail.evictions, ...Object.values(jail.ignored)]) counter.inc();
    jail.trackedSubjects.set(7);
    for (const subject of subjects) {
      for (const origin of ['jail', 'manual', 'import'] as const) jail.banned({ subject, origin, observe: false });
      jail.banned({ subject, origin: 'jail', observe: true });
      for (const reason of ['expired', 'manual'] as const) jail.unbanned({ subject, observe: false }, reason);
    }
  }
  metrics.kernelSets(sets);
  for (const name of sets) {
    const set = metrics.set(name);
    set.elements.set(40);
    set.capacity.set(65_536);
    dropped += 10;
    set.dropped(dropped, dropped * 60);
  }
  for (const name of ['enforce', 'store', 'worker'] as const) {
    const queue = metrics.queue(name);
    queue.length.set(3);
    queue.capacity.set(1_000);
    for (const counter of Object.values(queue.dropped)) counter.inc();
  }
  for (const start of ['stamp', 'received'] as const) metrics.kernel.eventToKernel[start].observe(0.008);
  for (const result of ['ok', 'error', 'timeout'] as const) metrics.kernel.transaction(result, 0.004);
  metrics.kernel.reconciled(nowMs);
  metrics.kernel.repairs.inc();
  metrics.kernel.enforcing.set(1);
  for (const counter of [
    ...Object.values(metrics.bounds),
    metrics.store.errors,
    metrics.clockJumps,
    ...Object.values(metrics.breaker.trips),
  ])
    counter.inc();
  metrics.jails.enforce.set(2);
  metrics.jails.observe.set(1);
  metrics.breaker.open.set(1);
  metrics.store.sizeBytes.set(1_000_000);
  metrics.configLoaded(true, nowMs);
}

let dropped = 0;
