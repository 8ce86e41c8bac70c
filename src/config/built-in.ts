import { stringify } from 'yaml';
import type { SourceFile } from './tree.ts';

/** What the built-in defaults must know of the machine. Who finds it out is not our matter. */
export interface Machine {
  /** The system's journal can be read by this user. */
  readonly journal: boolean;
  /** Log files that are there and can be read. */
  readonly files: readonly string[];
  /** nft works, and this user may change the kernel's tables. */
  readonly nftables: boolean;
}

/**
 * What is merged over share/sluice.yaml where there is no configuration file: the journal if it can be read, else log files, else only what
 * comes to the loopback listener; and no bans in a kernel that does not take them.
 *
 * It is a file like the others, so that it goes through the same reader and `sluice config` can name it.
 */
export function machineLayer({ journal, files, nftables }: Machine): SourceFile {
  const sources = journal
    ? {}
    : files.length > 0
      ? { sources: { own: 'files', files: files.map((path) => ({ path })) } }
      : { sources: { own: 'syslog' } };
  const enforce = nftables ? {} : { enforce: { mode: 'observe' } };
  return { path: 'this machine', text: stringify({ ...sources, ...enforce }) };
}

/** What the defaults leave out on this machine, one line each, with what mends it. */
export function machineNotes({ journal, files, nftables }: Machine): readonly string[] {
  const notes: string[] = [];
  if (!journal && files.length > 0)
    notes.push(`the journal cannot be read by this user (group systemd-journal may): reading ${files.join(', ')}`);
  if (!journal && files.length === 0) {
    notes.push(
      'neither the journal nor a log file can be read by this user (groups systemd-journal and adm may): waiting for syslog on 127.0.0.1:5514',
    );
  }
  if (!nftables) notes.push('nftables is not permitted to this user (root, or CAP_NET_ADMIN): observing, nobody is banned');
  return notes;
}
