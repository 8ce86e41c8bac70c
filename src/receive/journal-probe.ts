import { userInfo } from 'node:os';
import { execa } from 'execa';
import { type JournalPlace, placeArgs, systemJournal } from './journalctl.ts';

export type Readable =
  | { readonly readable: true }
  /** `mend`: what a person types or installs. */
  | { readonly readable: false; readonly why: string; readonly mend: string };

/**
 * Whether this user may read the journal, by reading one entry of it. Takes some 10 ms.
 *
 * @param journalctl its path; undefined: not installed (see findJournalctl)
 */
export async function probeJournal(journalctl: string | undefined, place: JournalPlace = systemJournal): Promise<Readable> {
  if (journalctl === undefined) return notInstalled;

  // Not --quiet: somebody outside the group sees his own entries only, and journalctl says so in nothing but a hint.
  const args = [...placeArgs(place), '--lines=1', '--no-pager', '--output=json', '--output-fields=_BOOT_ID'];
  const { exitCode, stdout, stderr, timedOut, code } = await execa(journalctl, args, journalctlOptions);
  if (exitCode === undefined && !timedOut)
    return code === 'ENOENT' ? notInstalled : { readable: false, why: `cannot run ${journalctl}: ${code}`, mend };
  if (timedOut) return { readable: false, why: 'journalctl gave no answer within 10 s', mend: 'try: journalctl --lines=1' };
  if (/insufficient permissions|Permission denied|not seeing messages from other users/.test(stderr)) return forbidden();
  if (exitCode !== 0) return { readable: false, why: `journalctl: ${lastLine(stderr)}`, mend };
  // Its words for an empty journal and for none at all differ between releases; an entry is an entry.
  if (!stdout.startsWith('{') && /No journal files were found/.test(stderr)) {
    return { readable: false, why: 'there is no journal', mend: 'start systemd-journald, or name log files in sources.files' };
  }
  return { readable: true };
}

const mend = 'try: journalctl --lines=1';

const notInstalled: Readable = {
  readable: false,
  why: 'journalctl is not installed',
  mend: 'install systemd, or name log files in sources.files',
};

/** What journalctl says when it may not open a single file, in our words. */
export function forbidden(): Readable {
  const { username } = userInfo();
  return {
    readable: false,
    why: `the user ${username} may not read the journal`,
    mend: `usermod -aG systemd-journal ${username}, then start again`,
  };
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.slice(0, 500) || 'failed without a word';
}

/** C: its messages are read here. Nothing else from our environment: SYSTEMD_* and PAGER change what it prints. */
export const journalctlOptions = {
  env: { LC_ALL: 'C' },
  extendEnv: false,
  shell: false,
  stdin: 'ignore',
  reject: false,
  timeout: 10_000,
  maxBuffer: 100_000,
} as const;
