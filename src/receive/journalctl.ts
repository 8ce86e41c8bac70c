import { accessSync, constants } from 'node:fs';
import type { JournalSettings } from '../model/source.ts';
import { droppedMessageId, trustedNames } from '../parse/journal-entry.ts';

/** Not looked up in PATH: whoever may set that would run his own program as us. NixOS has it in the last. */
const places = ['/usr/bin', '/bin', '/usr/local/bin', '/run/current-system/sw/bin'];

/** The absolute path of journalctl(1); undefined if it is not installed. */
export function findJournalctl(): string | undefined {
  return places.map((place) => `${place}/journalctl`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Which journal. */
export interface JournalPlace {
  readonly directory: string | undefined;
  readonly namespace: string | undefined;
}

/** The system's own journal. */
export const systemJournal: JournalPlace = { directory: undefined, namespace: undefined };

export type JournalStart =
  | { readonly kind: 'start' }
  | { readonly kind: 'since'; readonly sinceMs: number }
  | { readonly kind: 'cursor'; readonly cursor: string };

/** The fields to keep as trusted: the usual ones, and what the matches name if only journald sets it, or with `keepNamed` in any case. */
export function trustedFields({ matches, keepNamed = false }: Pick<JournalSettings, 'matches' | 'keepNamed'>): readonly string[] {
  const named = matches.flat().map((match) => match.slice(0, Math.max(0, match.indexOf('='))));
  return [...new Set([...trustedNames, ...named.filter((name) => keepNamed || /^_[A-Z0-9]/.test(name))])];
}

/** Options that every run of journalctl has. */
export function placeArgs({ directory, namespace }: JournalPlace): readonly string[] {
  return [
    ...(directory === undefined ? [] : [`--directory=${directory}`]),
    ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
  ];
}

/**
 * The arguments of the journalctl that reads entries.
 *
 * `--output=export`: takes 12 us an entry, 18 with a choice of fields (`--output-fields`); JSON takes 45 and 37 (252).
 * `--all`: no value is shortened, so that a long line cannot hide itself.
 * `--no-tail`: `--follow` otherwise skips all but 10 of the entries that came while nobody read (systemd issue 4739).
 * `--cursor`, not `--after-cursor`: the latter skips one entry unseen, and when the cursor's own entry is gone or no longer fits the
 * matches, that one is an entry we have not had (seen with 252). The caller drops the first entry if its cursor is the one asked for, and
 * knows that there is a gap if it is not.
 */
export function journalArgs(
  place: JournalPlace,
  { matches, start, follow }: { readonly matches: readonly (readonly string[])[]; readonly start: JournalStart; readonly follow: boolean },
): readonly string[] {
  return [
    ...placeArgs(place),
    ...(follow ? ['--follow', '--no-tail'] : []),
    '--all',
    '--no-pager',
    '--quiet',
    '--output=export',
    ...startArgs(start),
    ...matchArgs(matches, follow),
  ];
}

function startArgs(start: JournalStart): readonly string[] {
  switch (start.kind) {
    case 'start':
      return [];
    case 'since':
      return [`--since=${formatInstant(start.sinceMs)}`];
    case 'cursor':
      return [`--cursor=${start.cursor}`];
  }
}

/** Seconds since the epoch, to the microsecond: systemd.time(7). Rounded as a whole, because a sixth digit is at the limit of a double. */
function formatInstant(ms: number): string {
  const us = Math.max(0, Math.round(ms * 1000));
  return `@${Math.floor(us / 1_000_000)}.${String(us % 1_000_000).padStart(6, '0')}`;
}

/**
 * Groups joined by `+`; always with journald's notices of suppressed messages, so that losses are known. No group: everything.
 *
 * A term that is no `FIELD=value` would be taken for an option or a program's path by journalctl: the configuration refuses it, and so does this.
 */
function matchArgs(matches: readonly (readonly string[])[], notices: boolean): readonly string[] {
  const groups = matches.filter((group) => group.length > 0);
  if (groups.length === 0) return [];
  for (const term of groups.flat())
    if (!isMatch(term)) throw new Error(`not a match of journalctl(1), FIELD=value: ${JSON.stringify(term)}`);
  const all = notices ? [...groups, [`MESSAGE_ID=${droppedMessageId}`, '_TRANSPORT=driver']] : groups;
  return all.flatMap((group, index) => (index === 0 ? group : ['+', ...group]));
}

export function isMatch(term: string): boolean {
  return /^[A-Z0-9_]+=[^\0]*$/.test(term);
}

/** `FIELD=value FIELD=value + FIELD=value`, as journalctl takes it and people write it. */
export function parseMatches(text: string): readonly (readonly string[])[] {
  return text
    .split(/(?:^|\s)\+(?:\s|$)/)
    .map((group) => group.split(/\s+/).filter((term) => term !== ''))
    .filter((group) => group.length > 0);
}
