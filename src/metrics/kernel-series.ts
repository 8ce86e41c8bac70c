import type { Counter, Gauge, Group, Histogram, Series } from './series.ts';

export type NftResult = 'ok' | 'error' | 'timeout';

/** Where the clock of sluice_event_to_kernel_seconds starts: at the record's own stamp where that has fractions of a second, else at receipt. */
export type LatencyStart = 'stamp' | 'received';

/** The numbers of one nftables set. */
export interface SetMetrics {
  readonly elements: Gauge;
  /** The set's `size`. */
  readonly capacity: Gauge;
  /** What the last reconcile found: elements that should be there and are not, and the other way round. */
  readonly drift: { readonly missing: Gauge; readonly unexpected: Gauge };
  /** What the rule's nft counter shows now: see Counter.follow. */
  readonly dropped: (packets: number, bytes: number) => void;
}

/** The numbers of what is between a decision and the kernel. */
export interface KernelMetrics {
  /** From the log event to the element in the kernel, in seconds. */
  readonly eventToKernel: Readonly<Record<LatencyStart, Histogram>>;
  /** One nft transaction, and how long it took in seconds. */
  readonly transaction: (result: NftResult, seconds: number) => void;
  /** The last comparison of sets and decisions that went well. */
  readonly reconciled: (atMs: number) => void;
  /** The table was gone or changed, and was made again. */
  readonly repairs: Counter;
  /** 1 while bans reach the kernel: 0 with `observe`, and where nftables is not permitted. */
  readonly enforcing: Gauge;
}

const results: Record<NftResult, true> = { ok: true, error: true, timeout: true };
const starts: Record<LatencyStart, true> = { stamp: true, received: true };

export function createKernelSeries(series: Series, permanent: Group): KernelMetrics {
  const transactions = permanent.counters(
    series.counterFamily('sluice_nft_transactions_total', 'nft transactions, by result.'),
    'result',
    results,
    {},
  );
  const duration = series.histogram(
    'sluice_nft_transaction_duration_seconds',
    'How long an nft transaction took.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  );
  const reconcileSeconds = series.gauge('sluice_reconcile_last_success_timestamp_seconds', 'Last good comparison of sets and decisions.');
  return {
    eventToKernel: series.histograms(
      'sluice_event_to_kernel_seconds',
      'From the log event to the element in the kernel.',
      [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      'start',
      starts,
    ),
    transaction: (result, seconds) => {
      transactions[result].inc();
      duration.observe(seconds);
    },
    reconciled: (atMs) => reconcileSeconds.set(atMs / 1_000),
    repairs: series.counter('sluice_kernel_repairs_total', 'Times the table was found missing or changed and was made again.'),
    enforcing: series.gauge('sluice_enforcing', '1 while bans reach the kernel.'),
  };
}

/** @returns makes the series of one set */
export function createSetSeries(series: Series): (set: string, group: Group) => SetMetrics {
  const elements = series.gaugeFamily('sluice_set_elements', 'Elements in the kernel set.');
  const capacity = series.gaugeFamily('sluice_set_capacity', 'Size of the kernel set.');
  const drift = series.gaugeFamily('sluice_kernel_drift_elements', 'Difference between set and decisions at the last comparison.');
  const packets = series.counterFamily('sluice_dropped_packets_total', 'Packets dropped by the rule of the set.');
  const bytes = series.counterFamily('sluice_dropped_bytes_total', 'Bytes of the packets dropped by the rule of the set.');

  return (set, group) => {
    const labels = { set };
    const packetCount = group.counter(packets, labels);
    const byteCount = group.counter(bytes, labels);
    return {
      elements: group.gauge(elements, labels),
      capacity: group.gauge(capacity, labels),
      drift: group.gauges(drift, 'kind', { missing: true, unexpected: true }, labels),
      dropped: (packetsNow, bytesNow) => {
        packetCount.follow(packetsNow);
        byteCount.follow(bytesNow);
      },
    };
  };
}
