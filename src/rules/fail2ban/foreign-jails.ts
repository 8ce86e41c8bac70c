import { join } from 'node:path';
import type { Diagnostic } from '../../diagnostic.ts';
import type { ForeignJail } from '../../model/foreign-jail.ts';
import { compileFilter } from './compile-filter.ts';
import { filterTexts, mistakeDiagnostics } from './filter-texts.ts';
import { toForeignActions } from './foreign-actions.ts';
import type { F2bJail } from './jail-file.ts';
import { type DisabledJail, type Fail2ban, loadFail2ban, type LoadOptions } from './load-fail2ban.ts';
import { diagnosticAt } from './mistake.ts';
import { toForeignJail } from './to-foreign-jail.ts';

/** The jails of a directory of fail2ban, ready to run. */
export interface ForeignJails {
  readonly jails: readonly ForeignJail[];
  readonly disabled: readonly DisabledJail[];
  /** Of the jails that run, of fail2ban.conf, and what keeps the whole directory from being read. */
  readonly diagnostics: readonly Diagnostic[];
  readonly texts: ReadonlyMap<string, string>;
}

/** fail2ban's own, where fail2ban.conf says nothing. */
const defaultPurgeageMs = 86_400_000;

/**
 * Reads the directory, and compiles the filters of its jails: a jail with an expression that cannot be used, or with an action that cannot be
 * run, is disabled alone.
 *
 * @param nowMs see compileFilter
 */
export function loadForeignJails(dir: string, nowMs: number, options: LoadOptions = {}): ForeignJails {
  const read = loadFail2ban(dir, options);
  const disabled: DisabledJail[] = [...read.disabled];
  const jails: ForeignJail[] = [];
  const diagnostics: Diagnostic[] = [...read.diagnostics];
  for (const jail of read.jails) {
    const { mistakes } = compileFilter(filterTexts(jail.filter, jail.logtimezone), nowMs);
    const { actions, refused } = toForeignActions(jail.actions);
    const broken = [
      ...mistakeDiagnostics(jail.filter, mistakes),
      // What stands in the jail itself has no line of the filter.
      ...mistakes.flatMap(({ option, message, help }) => (option === 'logtimezone' ? [diagnosticAt(jail.place, message, { help })] : [])),
      ...unreadable(jail),
      ...refused.map(({ place, why, name }) => diagnosticAt(place, `the action ${name} cannot be run: ${why}`)),
    ];
    if (broken.length > 0) {
      disabled.push({ jail: jail.name, diagnostics: broken });
      continue;
    }
    diagnostics.push(...jail.warnings);
    if (jail.filter.usedns === 'raw') {
      const message = `usedns = raw: the jail ${jail.name} bans the addresses that it finds, and no names`;
      diagnostics.push(diagnosticAt(jail.place, message, { severity: 'warning' }));
    }
    jails.push(toForeignJail(jail, { actions, ...serverOf(read), random: Math.random }).foreign);
  }
  if (jails.length + disabled.length === 0 && diagnostics.every(({ severity }) => severity !== 'error')) {
    const help = 'write "enabled = true" below the name of a jail, in jail.local or in a file of jail.d';
    diagnostics.push(
      diagnosticAt({ file: join(dir, 'jail.conf'), line: 1, column: 1 }, 'no jail is enabled', { help, severity: 'warning' }),
    );
  }
  return { jails, disabled, diagnostics, texts: read.texts };
}

/** Where its lines cannot be had, another journal in their place would be no help. */
function unreadable({ reading, options, place }: F2bJail): readonly Diagnostic[] {
  if (reading.kind !== 'journal' || !reading.options.has('journalfiles')) return [];
  const [at] = options.get('backend')?.places ?? [place];
  const help = 'name the directory that holds them: systemd[journalpath=/var/log/journal]';
  return [diagnosticAt(at, 'journalfiles: single files of the journal cannot be read', { help })];
}

/** What fail2ban.conf says that jails depend on. */
export function serverOf({ server }: Fail2ban): { readonly purgeageMs: number; readonly ownLog: string | undefined } {
  return { purgeageMs: server.dbpurgeageMs ?? defaultPurgeageMs, ownLog: server.logtarget };
}
