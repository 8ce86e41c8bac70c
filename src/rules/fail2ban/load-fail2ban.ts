import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Diagnostic } from '../../diagnostic.ts';
import { type Fail2banConf, readFail2banConf } from './fail2ban-conf.ts';
import { defaultSection } from './ini-file.ts';
import { type F2bJail, jailNames, readJail } from './jail-file.ts';
import { IniCache, type Layers, readLayers } from './layering.ts';
import { diagnosticAt, Mistake } from './mistake.ts';
import { sourced } from './sourced-text.ts';

/** A jail that is enabled, or may be, and cannot run; the others do. */
export interface DisabledJail {
  readonly jail: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** Everything that a directory of fail2ban says. */
export interface Fail2ban {
  readonly dir: string;
  /** Enabled, in the order of the files. */
  readonly jails: readonly F2bJail[];
  readonly disabled: readonly DisabledJail[];
  /** Of fail2ban.conf, and what keeps the whole directory from being read. Those of one jail stand with it. */
  readonly diagnostics: readonly Diagnostic[];
  readonly server: Fail2banConf;
  /** Every jail that is named, enabled or not, in the order of the files. */
  readonly names: readonly string[];
  /** Text of every file that was read, for formatDiagnostics. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface LoadOptions {
  /** What a jail with `backend = auto` reads: `systemd` for the journal; else files, which is what fail2ban takes it for. */
  readonly backendDefault?: string;
  /** `fail2ban_version`, which stock actions send as their name. */
  readonly version?: string;
}

/**
 * Reads a configuration directory of fail2ban. A mistake disables the jails that it touches: one in a filter or an action those that use it, one in a
 * section of jail.conf that jail, one in [DEFAULT] or outside of any section all of them.
 *
 * Where fail2ban would go on after a file it cannot decode, or a value it cannot read, the jail is disabled here: the value may have been the
 * list of addresses to spare.
 */
export function loadFail2ban(dir: string, { backendDefault = 'auto', version = '1.0.2' }: LoadOptions = {}): Fail2ban {
  const root = resolve(dir);
  const cache = new IniCache();
  const server = readFail2banConf(root, cache);
  const read = readLayers(join(root, 'jail'), cache);
  const none = { file: join(root, 'jail.conf'), line: 0, column: 1 };
  if (read === undefined) {
    const missing = diagnosticAt(none, 'there is no jail.conf and no jail.local', {
      help: 'name the directory that holds jail.conf, such as /etc/fail2ban',
    });
    return { dir: root, jails: [], disabled: [], diagnostics: [...server.diagnostics, missing], server, names: [], texts: cache.texts };
  }
  const defaults = new Map([...read.defaults, ['fail2ban_version', sourced(version, none)], ['fail2ban_confpath', sourced(root, none)]]);
  const layers: Layers = { ...read, defaults };
  const context = { dir: root, layers, cache, services: readOptional('/etc/services'), backendDefault };

  const common = layers.mistakes.filter(({ section }) => section === undefined || section === defaultSection || section === 'INCLUDES');
  const shared = common.map(({ diagnostic }) => diagnostic);
  const jails: F2bJail[] = [];
  const disabled: DisabledJail[] = [];
  for (const name of jailNames(layers)) {
    const own = layers.mistakes.filter(({ section }) => section === name).map(({ diagnostic }) => diagnostic);
    try {
      const jail = readJail(name, context);
      if (jail === undefined) continue;
      if (own.length + shared.length > 0) disabled.push({ jail: name, diagnostics: [...own, ...shared] });
      else jails.push(jail);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      disabled.push({ jail: name, diagnostics: [...own, ...shared, error.diagnostic] });
    }
  }
  return {
    dir: root,
    jails,
    disabled,
    diagnostics: [...server.diagnostics, ...shared],
    server,
    names: jailNames(layers),
    texts: cache.texts,
  };
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
