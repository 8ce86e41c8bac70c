import type { LostReason, Source, SourceError } from '../model/source.ts';
import type { Handle } from './handles.ts';
import type { Counter, Gauge, Group, Series } from './series.ts';

/** What the metrics must know of a configured source. */
export interface SourceLabels {
  readonly name: string;
  readonly kind: Source['kind'];
  /** 0: nobody is told when it falls silent. */
  readonly silenceMs: number;
}

/** The numbers of one source. Resolve once, keep, and count on it for each line. */
export interface SourceMetrics {
  /**
   * Physical records and bytes read, also those that did not parse.
   *
   * @param atMs when they were received, ms since the epoch
   */
  readonly read: (records: number, bytes: number, atMs: number) => void;
  /** Receive time minus the record's own stamp, in ms; of the last record that has one. */
  readonly lag: (ms: number) => void;
  readonly errors: Readonly<Record<SourceError, Counter>>;
  readonly lost: Readonly<Record<LostReason, Counter>>;
  /** 1 while attached. */
  readonly up: Gauge;
  readonly connections: Gauge;
}

const errorReasons: Record<SourceError, true> = {
  framing: true,
  oversize: true,
  decode: true,
  time: true,
  denied_peer: true,
  connection_limit: true,
  restart: true,
  own_host: true,
  io: true,
};
const lostReasons: Record<LostReason, true> = { udp_kernel: true, suppressed: true, cursor_gap: true, overflow: true };

/** @returns makes the series of one source. The silence threshold follows the configuration. */
export function createSourceSeries(
  series: Series,
): (source: SourceLabels, group: Group, nowMs: number) => Handle<SourceLabels, SourceMetrics> {
  const up = series.gaugeFamily('sluice_source_up', '1 while the source is attached.');
  const records = series.counterFamily('sluice_source_records_total', 'Records read, also those that could not be parsed.');
  const bytes = series.counterFamily('sluice_source_bytes_total', 'Bytes read.');
  const errors = series.counterFamily('sluice_source_errors_total', 'Input that was not matched, and restarts of the source, by reason.');
  const lost = series.counterFamily('sluice_source_lost_records_total', 'Records that are known to be lost, by reason.');
  const connections = series.gaugeFamily('sluice_source_connections', 'Open connections.');
  const last = series.gaugeFamily(
    'sluice_source_last_record_timestamp_seconds',
    'Receive time of the last record; before the first one, when reading began.',
  );
  const silence = series.gaugeFamily('sluice_source_silence_threshold_seconds', 'How long the source may be silent; 0 if nobody asked.');
  const lag = series.gaugeFamily('sluice_source_lag_seconds', 'Receive time minus the stamp of the last record that has one.');

  return ({ name, kind, silenceMs }, group, nowMs) => {
    const labels = { source: name };
    const recordCount = group.counter(records, labels);
    const byteCount = group.counter(bytes, labels);
    const lastSeconds = group.gauge(last, labels, nowMs / 1_000);
    const lagSeconds = group.gauge(lag, labels);
    const threshold = group.gauge(silence, labels, silenceMs / 1_000);
    const metrics: SourceMetrics = {
      read: (count, size, atMs) => {
        recordCount.inc(count);
        byteCount.inc(size);
        lastSeconds.set(atMs / 1_000);
      },
      lag: (ms) => lagSeconds.set(ms / 1_000),
      errors: group.counters(errors, 'reason', errorReasons, labels),
      lost: group.counters(lost, 'reason', lostReasons, labels),
      up: group.gauge(up, { source: name, type: kind }),
      connections: group.gauge(connections, labels),
    };
    return { metrics, update: (changed) => threshold.set(changed.silenceMs / 1_000) };
  };
}

/** What the metrics must know of a configured filter. */
export interface FilterLabels {
  readonly name: string;
  readonly patterns: readonly string[];
}

/** Why a line that fitted a pattern led to no failure in any jail. */
export type FilterIgnore = 'except' | 'no_address' | 'follows';

/** The numbers of one filter. */
export interface FilterMetrics {
  /** A record fitted this pattern. Names that the filter does not have are counted nowhere. */
  readonly matched: (pattern: string) => void;
  readonly ignored: Readonly<Record<FilterIgnore, Counter>>;
  /** A pattern that is not proved linear ran into its deadline. */
  readonly timeouts: Counter;
}

const filterIgnores: Record<FilterIgnore, true> = { except: true, no_address: true, follows: true };

/** @returns makes the series of one filter. Its patterns follow the configuration; those that stay keep their counts. */
export function createFilterSeries(series: Series): (filter: FilterLabels, group: Group) => Handle<FilterLabels, FilterMetrics> {
  const matches = series.counterFamily('sluice_matches_total', 'Records that fitted a pattern.');
  const ignored = series.counterFamily('sluice_filter_ignored_total', 'Records that fitted a pattern and are no failure, by reason.');
  const timeouts = series.counterFamily('sluice_filter_timeouts_total', 'Patterns stopped because they took too long on a line.');

  return (filter, group) => {
    const labels = { filter: filter.name };
    const byPattern = new Map<string, { readonly counter: Counter; readonly group: Group }>();
    const update = ({ name, patterns }: FilterLabels) => {
      for (const pattern of patterns) {
        if (byPattern.has(pattern)) continue;
        const own = group.part();
        byPattern.set(pattern, { counter: own.counter(matches, { filter: name, pattern }), group: own });
      }
      for (const [pattern, { group: own }] of byPattern) {
        if (patterns.includes(pattern)) continue;
        group.removePart(own);
        byPattern.delete(pattern);
      }
    };
    update(filter);
    const metrics: FilterMetrics = {
      matched: (pattern) => byPattern.get(pattern)?.counter.inc(),
      ignored: group.counters(ignored, 'reason', filterIgnores, labels),
      timeouts: group.counter(timeouts, labels),
    };
    return { metrics, update };
  };
}
