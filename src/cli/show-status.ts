import { printable } from '../diagnostic.ts';
import { formatDuration } from '../duration.ts';
import type { BanEntry } from '../control/ban-entry.ts';
import type { JailStatus, JailSummary, SourceStatus, Status } from '../control/protocol.ts';
import { formatFor, formatLocal, formatRelative, formatSpan } from './moment.ts';
import type { Paint } from './paint.ts';
import { formatBans } from './show-bans.ts';
import { formatJailList } from './show-tree.ts';
import { type Cell, formatTable } from './table.ts';

/** `sluice status`: is it well, what does it read, what do the jails do; at the end as fail2ban says it. */
export function formatStatus(status: Status, nowMs: number, paint: Paint): string {
  const { mode, config } = status;
  const ready = status.ready ? paint('good', 'ready') : paint('bad', 'not ready');
  const up = formatSpan(Math.max(0, nowMs - Date.parse(status.started)));
  const enforce = mode.enforce === 'nftables' ? 'bans go to nftables' : paint('notable', 'observing: decides and shows, touches nothing');
  const because = mode.because === '' ? '' : ` (${printable(mode.because)})`;
  const head = [
    `sluice ${printable(status.version)}, ${ready}, up ${up}, pid ${status.pid}`,
    `${enforce}${because}`,
    `configuration: ${config.file === null ? 'built-in defaults' : printable(config.file)}, loaded ${formatLocal(config.loaded)} (${formatRelative(config.loaded, nowMs)})`,
    ...status.problems.map((problem) => paint('bad', `! ${printable(problem)}`)),
  ];
  const sources =
    status.sources.length === 0
      ? `${paint('bad', '! nothing is read: no source is configured')}\n`
      : formatSources(status.sources, nowMs, paint);
  const jails = status.jails.length === 0 ? `${paint('notable', '! no jails: nobody will be banned')}\n` : formatJails(status.jails, paint);
  return `${head.join('\n')}\n\n${sources}\n${jails}\n${formatJailList(status.jails)}`;
}

function formatSources(sources: readonly SourceStatus[], nowMs: number, paint: Paint): string {
  const columns = [
    { title: 'SOURCE' },
    { title: 'STATE' },
    { title: 'RECORDS', right: true },
    { title: 'LAST RECORD', right: true },
    { title: 'LAG', right: true },
    { title: 'ERRORS' },
    { title: 'LOST' },
    { title: 'DETAIL' },
  ];
  return formatTable(
    columns,
    sources.map(({ name, up, records, lastRecord, lagMs, errors, lost, connections, detail }) => [
      name,
      up ? { text: 'up', tone: 'good' } : { text: 'DOWN', tone: 'bad' },
      String(records),
      lastRecord === null ? '-' : formatRelative(lastRecord, nowMs),
      lagMs === null ? '-' : formatDuration(Math.max(0, lagMs)),
      counts(errors, 'notable'),
      counts(lost, 'bad'),
      connections === null || connections === 0 ? detail : `${detail} (${connections} connected)`,
    ]),
    paint,
  );
}

function formatJails(jails: readonly JailSummary[], paint: Paint): string {
  const columns = [
    { title: 'JAIL' },
    { title: 'BANNED', right: true },
    { title: 'BANS', right: true },
    { title: 'FAILURES', right: true },
    { title: 'MATCHES', right: true },
    { title: 'TRACKED', right: true },
    { title: '' },
  ];
  return formatTable(
    columns,
    jails.map((jail) => [
      jail.name,
      String(jail.bansNow),
      String(jail.bansTotal),
      String(jail.failures),
      String(jail.matches),
      String(jail.tracked),
      stateOf(jail),
    ]),
    paint,
  );
}

function stateOf({ disabled, observe }: JailSummary): Cell {
  if (disabled !== null) return { text: `DISABLED: ${disabled}`, tone: 'bad' };
  return observe ? { text: 'observe: would be banned', tone: 'notable' } : '';
}

/**
 * What `sluice status JAIL` says of a jail beyond fail2ban's tree: what it catches, by which policy, and the latest bans.
 *
 * @param bans the latest of `total`
 */
export function formatJail(jail: JailStatus, bans: readonly BanEntry[], total: number, nowMs: number, paint: Paint): string {
  const { bantime, prefix } = jail;
  const grows =
    bantime.factor === 1
      ? ''
      : `, then x${bantime.factor} for each return within ${length(bantime.forgetMs)}, at most ${length(bantime.maxMs)}`;
  const state = stateOf(jail);
  const stateText = typeof state === 'string' ? '' : `, ${paint(state.tone, printable(state.text))}`;
  const facts: readonly (readonly [string, string])[] = [
    ['filters', jail.filters.join(', ')],
    ['policy', `${jail.maxretry} failures within ${formatDuration(jail.findtimeMs)}: banned ${formatFor(bantime.firstMs)}${grows}`],
    ['bans', `IPv4 /${prefix.ipv4}, IPv6 /${prefix.ipv6}, ports ${jail.ports}`],
    ['matches', `${jail.matches}, of which ${jail.failures} counted as failures; ${jail.tracked} watched`],
    [
      'ignored',
      Object.entries(jail.ignored)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(', ') || '-',
    ],
  ];
  const head = [
    `jail ${paint('heading', printable(jail.name))}${stateText}${jail.from === null ? ' (built-in)' : ` (${printable(jail.from)})`}`,
  ];
  for (const [name, text] of facts) head.push(`  ${paint('faint', name.padEnd(8))} ${printable(text)}`);
  const patterns = formatTable(
    [{ title: 'PATTERN' }, { title: 'MATCHES', right: true }],
    jail.patterns.map(({ filter, pattern, matches }) => [`${filter}/${pattern}`, String(matches)]),
    paint,
  );
  const all = total > bans.length ? `The latest ${bans.length} of ${total}; all: sluice list --jail ${printable(jail.name)}\n` : '';
  const held = bans.length === 0 ? 'Nobody is banned by it now.\n' : `${formatBans(bans, nowMs, paint)}${all}`;
  return `${head.join('\n')}\n\n${jail.patterns.length === 0 ? '' : `${patterns}\n`}${held}`;
}

function length(ms: number | null): string {
  return formatDuration(ms ?? Infinity);
}

function counts(byReason: Readonly<Record<string, number>>, tone: 'notable' | 'bad'): Cell {
  const text = Object.entries(byReason)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ');
  return text === '' ? '-' : { text, tone };
}
