import { covers, type Prefix, parseAddress, parsePrefix, splitPrefix } from '../model/address.ts';
import type { SyslogSettings } from '../model/source.ts';
import type { Begin, Config, FileSource, JournalSource } from './config.ts';
import { formatSyslogListen } from './listen.ts';
import type { Parts } from './part.ts';
import { file, sources, syslog } from './schema-sources.ts';

const loopback: Readonly<Record<'ipv4' | 'ipv6', Prefix | undefined>> = { ipv4: parsePrefix('127.0.0.0/8'), ipv6: parsePrefix('::1/128') };

export interface SourceContext {
  /** Where reading begins if a source does not say: it depends on the jails. */
  readonly from: Begin;
  /** The user `syslog`, whose daemon speaks for everybody on this host. */
  readonly syslogUid: number | undefined;
}

/** @returns undefined after a mistake, which has been reported */
export function resolveSources(parts: Parts, { from, syslogUid }: SourceContext): Config['sources'] | undefined {
  const own = parts.take(sources.entries.own, ['sources', 'own']);
  const maxSkewMs = parts.take(sources.entries.max_skew, ['sources', 'max_skew']);
  const listeners = itemsOf(parts, ['sources', 'syslog']).map((path) => resolveSyslog(parts, path, syslogUid));
  const followed = itemsOf(parts, ['sources', 'files']).map((path) => resolveFile(parts, path, from));
  const read = parts.take(sources.entries.journal, ['sources', 'journal']);

  const ownPath = ['sources', 'own'];
  const journalOn = read?.enabled ?? (own === 'journal' || read?.directory !== undefined || read?.namespace !== undefined);
  if (own === 'journal' && read?.enabled === false) {
    parts.mistake(
      ['sources', 'journal', 'enabled'],
      "this host's own lines come by the journal (sources.own), and it is not read",
      'remove this key, or write "own: files" with the files, or "own: syslog"',
    );
  }
  if (own === 'files' && followed.length === 0) {
    parts.mistake(
      ownPath,
      "this host's own lines come by files, and no file is named",
      'name them under sources.files, such as "- path: /var/log/mail.log"',
    );
  }
  if (own === 'syslog' && listeners.length === 0) {
    parts.mistake(
      ownPath,
      "this host's own lines come by syslog, and there is no listener",
      'name one under sources.syslog, such as "- listen: udp://127.0.0.1:5514"',
    );
  }
  if (own !== undefined && own !== 'journal' && read?.enabled === true && read.directory === undefined && read.namespace === undefined) {
    parts.warning(
      ['sources', 'journal', 'enabled'],
      `this system's journal holds this host's own lines, which come by ${own} (sources.own): nothing in it will count`,
    );
  }
  checkUnique(parts, listeners, followed, journalOn);

  const settings = listeners.filter((each) => each !== undefined);
  const files = followed.filter((each) => each !== undefined);
  if (own === undefined || maxSkewMs === undefined || read === undefined) return undefined;
  if (settings.length < listeners.length || files.length < followed.length) return undefined;
  const journalSource: JournalSource = {
    kind: 'journal',
    name: 'journal',
    directory: read.directory,
    namespace: read.namespace,
    silenceMs: read.silence ?? 0,
    from: read.from ?? from,
  };
  return { own, syslog: settings, journal: journalOn ? journalSource : undefined, files, maxSkewMs };
}

type ItemPath = readonly [...string[], number];

function itemsOf(parts: Parts, path: readonly string[]): readonly ItemPath[] {
  const tree = parts.treeAt(path);
  return tree?.kind === 'list' ? tree.items.map((_, index) => [...path, index] as const) : [];
}

function resolveSyslog(parts: Parts, path: ItemPath, syslogUid: number | undefined): SyslogSettings | undefined {
  const read = parts.take(syslog, path);
  if (read === undefined) return undefined;
  const { listen } = read;
  const address = parseAddress(listen.host);
  const family = listen.host.includes(':') ? 'ipv6' : 'ipv4';
  const own = loopback[family];
  const local = own !== undefined && address !== undefined && covers(own, address);
  if (!local && (read.peers ?? []).length === 0) {
    const everywhere = listen.host === '0.0.0.0' || listen.host === '::';
    const what = everywhere ? `${listen.host} listens on every address of this host` : 'other hosts can reach this address';
    parts.mistake(
      [...path, 'listen'],
      `${what}, and "peers" does not say who may send`,
      `name the senders: peers: [${family === 'ipv4' ? '192.0.2.0/24' : '2001:db8::/32'}]`,
    );
    return undefined;
  }
  for (const [index, peer] of (read.peers ?? []).entries()) {
    if (splitPrefix(peer).length > 0 || local) continue;
    parts.warning(
      [...path, 'peers', index],
      `${peer} lets every host send lines that ${listen.transport === 'tcp' ? 'lead to bans' : 'are counted'}`,
    );
  }
  const trusted = [0, ...(syslogUid === undefined ? [] : [syslogUid]), ...read.trusted_uids];
  return {
    kind: 'syslog',
    name: read.name ?? formatSyslogListen(listen),
    ...listen,
    peers: read.peers ?? (own === undefined ? [] : [own]),
    trustedUids: [...new Set(trusted)],
    timezone: read.timezone,
    silenceMs: read.silence ?? 0,
  };
}

function resolveFile(parts: Parts, path: ItemPath, from: Begin): FileSource | undefined {
  const read = parts.take(file, path);
  if (read === undefined) return undefined;
  return {
    kind: 'file',
    name: read.name ?? read.path,
    path: read.path,
    timezone: read.timezone,
    program: read.program,
    silenceMs: read.silence ?? 0,
    from: read.from ?? from,
  };
}

/** Two sources of one name would share a metric, a status line and a cursor; two listeners cannot share a port. */
function checkUnique(
  parts: Parts,
  listeners: readonly (SyslogSettings | undefined)[],
  files: readonly (FileSource | undefined)[],
  journalOn: boolean,
): void {
  const taken = new Map<string, string>(journalOn ? [['journal', 'the journal']] : []);
  const check = (path: ItemPath, name: string | undefined, what: string) => {
    if (name === undefined) return;
    const other = taken.get(name);
    if (other === undefined) taken.set(name, what);
    else
      parts.mistake(
        parts.treeAt([...path, 'name']) === undefined ? path : [...path, 'name'],
        `the name "${name}" is taken by ${other}`,
        'give one of them another "name:"',
      );
  };
  const bound = new Map<string, number>();
  for (const [index, each] of listeners.entries()) {
    if (each === undefined) continue;
    const path: ItemPath = ['sources', 'syslog', index];
    const listen = formatSyslogListen(each);
    const first = bound.get(listen);
    if (first !== undefined && each.port !== 0) {
      parts.mistake([...path, 'listen'], `two listeners on ${listen}`, 'remove one; its peers can go to the other');
      continue;
    }
    bound.set(listen, index);
    check(path, each.name, `the listener on ${listen}`);
  }
  const paths = new Set<string>();
  for (const [index, each] of files.entries()) {
    if (each === undefined) continue;
    const path: ItemPath = ['sources', 'files', index];
    if (paths.has(each.path)) {
      parts.mistake([...path, 'path'], `"${each.path}" is listed twice`, 'remove one: each line would count twice');
      continue;
    }
    paths.add(each.path);
    check(path, each.name, `the file ${each.path}`);
  }
}
