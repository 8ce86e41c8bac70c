import type { BanEntry } from '../control/ban-entry.ts';
import { formatSubject } from '../model/address.ts';
import { formatLocal, formatRelative } from './moment.ts';
import type { Paint } from './paint.ts';
import { type Cell, formatTable } from './table.ts';

/** The bans as a table, the latest at the end, where the prompt is. */
export function formatBans(bans: readonly BanEntry[], nowMs: number, paint: Paint): string {
  const columns = [
    { title: 'ADDRESS' },
    { title: 'JAIL' },
    { title: 'SINCE' },
    { title: 'UNTIL' },
    { title: 'LEFT', right: true },
    { title: 'COUNT', right: true },
    { title: 'ORIGIN' },
    { title: '' },
  ];
  const rows = bans
    .toSorted(bySince)
    .map(({ subject, jail, since, until, count, origin, observe }): readonly Cell[] => [
      formatSubject(subject),
      jail,
      formatLocal(since),
      until === null ? 'permanent' : formatLocal(until),
      until === null ? '-' : formatRelative(until, nowMs).replace(/^in /, ''),
      String(count),
      origin,
      observe ? { text: 'observe: not in the kernel', tone: 'notable' } : '',
    ]);
  return formatTable(columns, rows, paint);
}

/** Instants are all UTC in one form, so they compare as text. */
export function bySince({ since: a }: BanEntry, { since: b }: BanEntry): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
