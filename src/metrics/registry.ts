import {
  createFilterSeries,
  createSourceSeries,
  type FilterLabels,
  type FilterMetrics,
  type SourceLabels,
  type SourceMetrics,
} from './input-series.ts';
import { fail2banText, type JailPolicy } from './fail2ban-names.ts';
import { Handles } from './handles.ts';
import { createJailSeries, type JailMetrics } from './jail-series.ts';
import { createKernelSeries, createSetSeries, type KernelMetrics, type SetMetrics } from './kernel-series.ts';
import { type Counter, type Gauge, Group, Series } from './series.ts';

/** Everything that becomes a label: what is configured now. */
export interface Configured {
  readonly sources: readonly SourceLabels[];
  readonly jails: readonly string[];
  readonly filters: readonly FilterLabels[];
}

/** Queues with a bound. `worker`: records that wait for a pattern that is not proved linear. */
export type QueueName = 'enforce' | 'store' | 'worker';

/** Why something was thrown out of a queue. */
export type DropReason = 'full' | 'failed' | 'timeout';

export interface QueueMetrics {
  readonly length: Gauge;
  readonly capacity: Gauge;
  readonly dropped: Readonly<Record<DropReason, Counter>>;
}

/**
 * Bounds at which something is refused or forgotten and that belong to no source, jail or queue. `evidence`: lines kept for `explain`;
 * `remembered`: addresses kept for a later line; `history`: ended bans; `window_changes`: rows the store keeps although they are out of date;
 * `events`: events that a slow follower missed; the clients: connections refused.
 */
export type BoundName = 'evidence' | 'remembered' | 'history' | 'window_changes' | 'events' | 'control_clients' | 'metrics_clients';

const bounds: Record<BoundName, true> = {
  evidence: true,
  remembered: true,
  history: true,
  window_changes: true,
  events: true,
  control_clients: true,
  metrics_clients: true,
};

/**
 * `enforce` counts the jails that are meant to ban, also where nftables turns out not to be permitted: an alert compares them with
 * `kernel.enforcing`. With `enforce: { mode: observe }` all are `observe`. `disabled`: the filter is broken or too slow.
 */
export type JailState = 'enforce' | 'observe' | 'disabled';

interface Named {
  readonly name: string;
}

/**
 * Every number that sluice tells Prometheus.
 *
 * Handles (`source()`, `jail()`, `filter()`, `set()`, `queue()`) are resolved once and kept: counting on one is an addition, without a look-up
 * of labels. They stay valid over `configure` as long as their name stays configured. A name that is not configured gets a handle that is
 * shown nowhere, so that a late event of a removed jail does not bring its label back.
 */
export interface Metrics {
  /**
   * What is configured from now on, at start and at each reload. All counters of a new name begin at 0 at once, because `increase()` does not
   * see the step from nothing to 1; names that stay keep their values; names that went disappear. The jail `manual` is always there.
   *
   * @param nowMs ms since the epoch
   */
  readonly configure: (configured: Configured, nowMs: number) => void;
  /** Jails whose numbers are told under the names that exporters for fail2ban use, too; undefined: none, and none of the names. */
  readonly alsoAsFail2ban: (jails: readonly JailPolicy[] | undefined) => void;
  /** The kernel sets that there are from now on; cheap enough for each scrape. Their names come from port lists and prefix lengths only. */
  readonly kernelSets: (names: Iterable<string>) => void;
  readonly source: (name: string) => SourceMetrics;
  readonly filter: (name: string) => FilterMetrics;
  readonly jail: (name: string) => JailMetrics;
  readonly set: (name: string) => SetMetrics;
  readonly queue: (name: QueueName) => QueueMetrics;
  readonly kernel: KernelMetrics;
  readonly bounds: Readonly<Record<BoundName, Counter>>;
  readonly jails: Readonly<Record<JailState, Gauge>>;
  readonly store: { readonly sizeBytes: Gauge; readonly errors: Counter };
  /** What stops new bans that look like a mistake. */
  readonly breaker: { readonly open: Gauge; readonly trips: Readonly<Record<'clients' | 'rate', Counter>> };
  /** The wall clock was set by more than a moment. */
  readonly clockJumps: Counter;
  /** A load of the configuration, at start or by reload. */
  readonly configLoaded: (good: boolean, atMs: number) => void;
  /** Called before each answer, to set gauges that are dear or pointless to keep at every event. Must not throw. */
  readonly onScrape: (collect: () => void) => void;
  /** All metric names, for those who check dashboards and rules against them. Histograms without _bucket, _sum, _count. */
  readonly names: () => readonly string[];
  /** The page itself, Prometheus text format 0.0.4. */
  readonly text: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createMetrics({ version, node, commit }: { version: string; node: string; commit?: string }): Metrics {
  const series = new Series();
  const permanent = new Group();
  permanent.gauge(series.gaugeFamily('sluice_build_info', 'Constant 1.'), { version, node, commit: commit ?? 'unknown' }, 1);
  const reloadGood = series.gauge('sluice_config_last_reload_successful', '1 if the last load of the configuration succeeded.');
  const reloadSeconds = series.gauge('sluice_config_last_reload_success_timestamp_seconds', 'Time of the last good load.');

  const sources = new Handles(createSourceSeries(series));
  const filters = new Handles(createFilterSeries(series));
  const makeJail = createJailSeries(series);
  const jails = new Handles(({ name }: Named, group) => ({ metrics: makeJail(name, group), update: () => {} }));
  const makeSet = createSetSeries(series);
  const sets = new Handles(({ name }: Named, group) => ({ metrics: makeSet(name, group), update: () => {} }));

  let asFail2ban: readonly JailPolicy[] | undefined;
  const queues = createQueues(series, permanent);
  const collectors: (() => void)[] = [];
  const metrics: Metrics = {
    configure: (configured, nowMs) => {
      sources.configure(configured.sources, nowMs);
      filters.configure(configured.filters, nowMs);
      jails.configure(
        ['manual', ...configured.jails].map((name) => ({ name })),
        nowMs,
      );
    },
    alsoAsFail2ban: (policies) => {
      asFail2ban = policies;
    },
    kernelSets: (names) =>
      sets.configure(
        [...names].map((name) => ({ name })),
        0,
      ),
    source: (name) => sources.get(name) ?? sources.detached({ name, kind: 'file', silenceMs: 0 }),
    filter: (name) => filters.get(name) ?? filters.detached({ name, patterns: [] }),
    jail: (name) => jails.get(name) ?? jails.detached({ name }),
    set: (name) => sets.get(name) ?? sets.detached({ name }),
    queue: (name) => queues[name],
    kernel: createKernelSeries(series, permanent),
    bounds: permanent.counters(
      series.counterFamily('sluice_bound_reached_total', 'Times something was refused or forgotten because a bound was reached.'),
      'bound',
      bounds,
      {},
    ),
    jails: permanent.gauges(
      series.gaugeFamily('sluice_jails', 'Jails by state; disabled: its filter is broken or too slow.'),
      'state',
      { enforce: true, observe: true, disabled: true },
      {},
    ),
    store: {
      sizeBytes: series.gauge('sluice_store_size_bytes', 'Size of the database with its journal.'),
      errors: series.counter('sluice_store_errors_total', 'Transactions of the database that failed.'),
    },
    breaker: {
      open: series.gauge('sluice_breaker_open', '1 if no new bans are made because they looked like a mistake.'),
      trips: permanent.counters(
        series.counterFamily('sluice_breaker_trips_total', 'Times the breaker stopped new bans, by reason.'),
        'reason',
        { clients: true, rate: true },
        {},
      ),
    },
    clockJumps: series.counter('sluice_clock_jumps_total', 'Times the wall clock was set.'),
    configLoaded: (good, atMs) => {
      reloadGood.set(good ? 1 : 0);
      if (good) reloadSeconds.set(atMs / 1_000);
    },
    onScrape: (collect) => void collectors.push(collect),
    names: () => series.names(),
    text: async () => {
      for (const collect of collectors) collect();
      const { contentType, body } = await series.text();
      return { contentType, body: asFail2ban === undefined ? body : body + fail2banText(toldAsFail2ban(asFail2ban, metrics)) };
    },
  };
  series.processSeries();
  metrics.configure({ sources: [], jails: [], filters: [] }, 0);
  return metrics;
}

/** Bans by hand are a jail once there were any, as in `sluice status`. */
function toldAsFail2ban(policies: readonly JailPolicy[], metrics: Pick<Metrics, 'jail'>) {
  const configured = policies.map((policy) => ({ name: policy.name, policy, numbers: metrics.jail(policy.name).asFail2ban() }));
  const byHand = metrics.jail('manual').asFail2ban();
  return byHand.bannedTotal === 0 ? configured : [...configured, { name: 'manual', policy: undefined, numbers: byHand }];
}

function createQueues(series: Series, permanent: Group): Record<QueueName, QueueMetrics> {
  const length = series.gaugeFamily('sluice_queue_length', 'Entries that wait.');
  const capacity = series.gaugeFamily('sluice_queue_capacity', 'Entries that may wait.');
  const dropped = series.counterFamily('sluice_records_dropped_total', 'Entries thrown out of a queue, by reason.');
  const queue = (name: QueueName): QueueMetrics => ({
    length: permanent.gauge(length, { queue: name }),
    capacity: permanent.gauge(capacity, { queue: name }),
    dropped: permanent.counters(dropped, 'reason', { full: true, failed: true, timeout: true }, { queue: name }),
  });
  return { enforce: queue('enforce'), store: queue('store'), worker: queue('worker') };
}
