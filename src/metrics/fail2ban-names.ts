import type { Jail } from '../model/decision.ts';

/** What fail2ban says of a jail: see `sluice status JAIL`. */
export interface JailNumbers {
  readonly bannedNow: number;
  /** Since the start, with those that the start brought back. */
  readonly bannedTotal: number;
  readonly failedNow: number;
  readonly failedTotal: number;
}

export type JailPolicy = Pick<Jail, 'name' | 'maxretry' | 'findtimeMs' | 'bantime'>;

interface Told {
  readonly name: string;
  readonly numbers: JailNumbers;
  /** undefined: bans by hand, which need no failures. */
  readonly policy: JailPolicy | undefined;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'untyped';
  readonly value: (jail: Told) => number | undefined;
}

const families: readonly Family[] = [
  { name: 'f2b_jail_banned_current', help: 'Bans in force.', type: 'gauge', value: ({ numbers }) => numbers.bannedNow },
  {
    name: 'f2b_jail_banned_total',
    help: 'Bans since the start, with those that were in force then.',
    type: 'counter',
    value: ({ numbers }) => numbers.bannedTotal,
  },
  { name: 'f2b_jail_failed_current', help: 'Who failed and is not banned yet.', type: 'gauge', value: ({ numbers }) => numbers.failedNow },
  { name: 'f2b_jail_failed_total', help: 'Failures since the start.', type: 'counter', value: ({ numbers }) => numbers.failedTotal },
  {
    name: 'f2b_config_jail_ban_time',
    help: 'How long a first ban lasts, in seconds; -1: for ever.',
    type: 'gauge',
    value: ({ policy }) => (policy === undefined ? undefined : firstBanSeconds(policy)),
  },
  {
    name: 'f2b_config_jail_find_time',
    help: 'How long a failure counts, in seconds.',
    type: 'gauge',
    value: ({ policy }) => (policy === undefined ? undefined : policy.findtimeMs / 1_000),
  },
  {
    name: 'f2b_config_jail_max_retries',
    help: 'Failures that lead to a ban.',
    type: 'gauge',
    value: ({ policy }) => policy?.maxretry,
  },
];

/**
 * The series that exporters for fail2ban serve, so that dashboards and alerts made for them go on. The names are those of
 * fail2ban-prometheus-exporter (hectorjsmith), the totals as counters as its later versions have them.
 *
 * @returns Prometheus text format 0.0.4
 */
export function fail2banText(jails: readonly Told[]): string {
  const lines = [
    ...head('f2b_up', 'Constant 1: who answers is what bans.', 'gauge'),
    'f2b_up 1',
    // Counts errors between the exporter and fail2ban; here there is nothing between.
    ...head(
      'f2b_errors',
      'Constant 0; see sluice_source_errors_total, sluice_nft_transactions_total, sluice_store_errors_total.',
      'untyped',
    ),
    'f2b_errors{type="socket_conn"} 0',
    'f2b_errors{type="socket_req"} 0',
    // promtool accepts _count of summaries and histograms alone, and of what has no type.
    ...head('f2b_jail_count', 'Jails.', 'untyped'),
    `f2b_jail_count ${jails.length}`,
  ];
  for (const { name, help, type, value } of families) {
    lines.push(...head(name, help, type));
    for (const jail of jails) {
      const number = value(jail);
      if (number !== undefined) lines.push(`${name}{jail="${escaped(jail.name)}"} ${number}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function head(name: string, help: string, type: Family['type']): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function firstBanSeconds({ bantime: { firstMs } }: JailPolicy): number {
  return firstMs === Infinity ? -1 : firstMs / 1_000;
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
