import { basename } from 'node:path';
import {
  type ForeignAction,
  type ForeignIgnoreEntry,
  type ForeignJail,
  type ForeignReading,
  foreignFilterName,
} from '../../model/foreign-jail.ts';
import { filterTexts } from './filter-texts.ts';
import type { F2bJail, F2bReading } from './jail-file.ts';
import { toJail } from './to-jail.ts';

export interface ForeignJailContext {
  /** What of its actions is run: see toForeignActions. */
  readonly actions: readonly ForeignAction[];
  /** How long fail2ban remembers bans, `dbpurgeage`, ms. */
  readonly purgeageMs: number;
  /** Where fail2ban itself would log (`logtarget`): a jail that reads it wants to hear of bans. */
  readonly ownLog: string | undefined;
  /** For ban times with a random part. */
  readonly random: () => number;
}

/** A jail of fail2ban as the daemon runs it. */
export function toForeignJail(
  jail: F2bJail,
  { actions, purgeageMs, ownLog, random }: ForeignJailContext,
): { readonly foreign: ForeignJail; readonly differences: readonly string[] } {
  const { name, place, filter, ignoreself: self, ignorecommand: command, ignorecache: cache, maxmatches } = jail;
  const converted = toJail(jail, { filters: [foreignFilterName(name)], purgeageMs, random });
  const reading = toReading(jail.reading, jail.logencoding);
  // Stock jails stand in jail.conf; who enabled this one wants to be led to his own line.
  const [enabled] = jail.options.get('enabled')?.places ?? [place];
  const own = isOwn(reading, ownLog);
  return {
    foreign: {
      jail: {
        ...converted.jail,
        wholeFindtime: true,
        ...(converted.closes ? {} : { closes: false }),
      },
      texts: filterTexts(filter, jail.logtimezone),
      reading: own ? withoutOwn(reading, ownLog) : reading,
      ignore: { entries: jail.ignoreip.flatMap(entryOf), self, command, cache },
      actions,
      maxmatches,
      readsBans: own ? (reading.kind === 'journal' ? 'journal' : 'file') : undefined,
      file: enabled.file,
      line: enabled.line,
    },
    differences: converted.differences,
  };
}

function toReading(reading: F2bReading, encoding: string): ForeignReading {
  if (reading.kind === 'files') return { kind: 'files', encoding, paths: reading.paths.map(({ pattern, from }) => ({ pattern, from })) };
  const { matches, options } = reading;
  return { kind: 'journal', matches, directory: options.get('journalpath'), namespace: options.get('namespace') };
}

/** recidive: it reads what fail2ban says of its bans. */
function isOwn(reading: ForeignReading, ownLog: string | undefined): boolean {
  if (reading.kind === 'journal')
    return reading.matches
      .flat()
      .some((match) => /^(?:_SYSTEMD_UNIT=fail2ban\.service|_COMM=fail2ban-server|SYSLOG_IDENTIFIER=fail2ban.*)$/.test(match));
  return reading.paths.some(({ pattern }) => isOwnLog(pattern, ownLog));
}

function isOwnLog(pattern: string, ownLog: string | undefined): boolean {
  return pattern === ownLog || basename(pattern) === 'fail2ban.log';
}

/** What it says is handed over directly: an old file of a fail2ban that ran before is not read. */
function withoutOwn(reading: ForeignReading, ownLog: string | undefined): ForeignReading {
  if (reading.kind === 'journal') return { kind: 'files', paths: [], encoding: 'auto' };
  return { ...reading, paths: reading.paths.filter(({ pattern }) => !isOwnLog(pattern, ownLog)) };
}

function entryOf(entry: F2bJail['ignoreip'][number]): readonly ForeignIgnoreEntry[] {
  switch (entry.kind) {
    case 'network':
      return [{ kind: 'network', prefix: entry.prefix }];
    case 'name':
      return [{ kind: 'name', written: entry.written }];
    case 'file':
      return [{ kind: 'file', path: entry.path }];
    case 'unknown':
      return []; // said when the jail was read
  }
}
