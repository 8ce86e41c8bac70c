import type { TrustedFields } from './record.ts';

/** Alternatives, any of which lets a journal entry in; each is a list of `FIELD=value` as journalctl reads one: same field OR, different fields AND. */
export type JournalGroups = readonly (readonly string[])[];

/**
 * No value that journald writes: any user of the system's own, below 1000 (login.defs(5), SYS_UID_MAX). Units of daemons also run what
 * ordinary users told them to: local(8) runs the commands of ~/.forward, Sieve those of users, sshd without pam_systemd their shells.
 */
const systemUser = '_UID=system';
const firstOrdinaryUid = 1000;

/** Both say where a process runs, and no process of ours runs in two places: a list that names units and slices means either. */
const places = ['_SYSTEMD_UNIT', '_SYSTEMD_SLICE'];

/**
 * Takes a filter's `journal:` apart. `+` stands between alternatives, as in journalctl(1).
 *
 * `['_SYSTEMD_SLICE=system-postfix.slice', '_SYSTEMD_UNIT=postfix.service']` gives two alternatives: Debian runs Postfix in a slice of its
 * own, others do not, and no entry could fit both.
 */
export function journalGroups(journal: readonly string[]): JournalGroups {
  const groups: string[][] = [[]];
  for (const match of journal) {
    if (match === '+') groups.push([]);
    else groups.at(-1)?.push(match);
  }
  return groups.filter((group) => group.length > 0).flatMap(byPlace);
}

/** What journalctl is asked for: it has no word for "any of these users", so it prints more than fits. */
export function journalctlGroups(groups: JournalGroups): JournalGroups {
  return groups.map((group) => group.filter((match) => match !== systemUser));
}

/** Whether journald itself says of the sender what one of the groups asks for. */
export function journalFits(groups: JournalGroups, trusted: TrustedFields | undefined): boolean {
  return trusted !== undefined && groups.some((group) => groupFits(group, trusted));
}

function groupFits(group: readonly string[], trusted: TrustedFields): boolean {
  return group.every((match) => {
    const field = fieldOf(match);
    // Of the matches with the same field, one must hold.
    const found = trusted.get(field);
    // journald leaves no user out; only what another program exported may lack it.
    if (field === '_UID' && group.includes(systemUser) && (found === undefined || isSystemUid(found))) return true;
    return found !== undefined && group.includes(`${field}=${found}`);
  });
}

function isSystemUid(uid: string): boolean {
  return /^\d{1,3}$/.test(uid) && Number(uid) < firstOrdinaryUid;
}

function byPlace(group: readonly string[]): readonly (readonly string[])[] {
  const others = group.filter((match) => !places.includes(fieldOf(match)));
  const named = places.map((place) => group.filter((match) => fieldOf(match) === place)).filter((matches) => matches.length > 0);
  return named.length === 0 ? [others] : named.map((matches) => [...matches, ...others]);
}

function fieldOf(match: string): string {
  const equals = match.indexOf('=');
  return equals === -1 ? match : match.slice(0, equals);
}
