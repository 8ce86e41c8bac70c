import { exactDuration } from '../duration.ts';
import { formatSubject } from '../model/address.ts';
import type { Ports } from '../model/filter.ts';
import type { ForeignIgnoreEntry } from '../model/foreign-jail.ts';
import type { Bantime, Begin, Config, WrittenForeignJail } from './config.ts';
import { formatListen, formatSyslogListen } from './listen.ts';
import type { Written } from './parse.ts';
import { formatSize } from './size.ts';
import type { Path } from './tree.ts';

/** One value of the configuration in force. */
export interface ConfigValue {
  /** `['jails', 'postfix-relay', 'maxretry']`; a number is an index in a list. */
  readonly path: Path;
  /** A scalar as people write it, or an empty list. */
  readonly value: string | number | boolean | readonly never[];
  /** `file:line`; null: a default. */
  readonly from: string | null;
}

/**
 * The configuration in force, value by value in the order of the documentation. Read again as YAML, the values give the same
 * configuration.
 */
export function configInForce(config: Config, written: Written): readonly ConfigValue[] {
  const values: ConfigValue[] = [];
  /** @param fallbacks where else the value may have been written, such as below `defaults` */
  const put = (path: Path, value: ConfigValue['value'] | undefined, ...fallbacks: readonly Path[]) => {
    if (value !== undefined) values.push({ path, value, from: placeOf(written, [path, ...fallbacks]) });
  };
  const putList = (path: Path, items: readonly (string | number)[]) => {
    if (items.length === 0) put(path, []);
    for (const [index, item] of items.entries()) put([...path, index], item, path);
  };
  const putBantime = (path: Path, { firstMs, factor, maxMs, forgetMs }: Bantime) => {
    const above: Path = written(path) === undefined ? ['defaults', 'bantime'] : path;
    // `bantime: 1h` says three of the four; in a mapping each key has its own place.
    const plain = written([...above, 'first']) === undefined ? [above] : [];
    put([...path, 'first'], exactDuration(firstMs), [...above, 'first'], ...plain);
    put([...path, 'factor'], factor, [...above, 'factor'], ...plain);
    put([...path, 'max'], exactDuration(maxMs), [...above, 'max'], ...plain);
    put([...path, 'forget'], exactDuration(forgetMs), [...above, 'forget']);
  };

  putSources(config.sources, put, putList);
  put(['enforce', 'mode'], config.enforce.mode);
  put(['enforce', 'set_size'], config.enforce.setSize);
  put(['metrics', 'listen'], config.metrics === undefined ? 'off' : formatListen(config.metrics), ['metrics']);
  put(['metrics', 'fail2ban_names'], config.fail2banNames);
  put(['control', 'socket'], config.control.socket);
  put(['control', 'group'], config.control.group);
  put(['state', 'path'], config.state.path);
  putList(
    ['allowlist'],
    config.allowlist.map(({ prefix }) => formatSubject(prefix)),
  );
  const { defaults } = config;
  put(['defaults', 'maxretry'], defaults.maxretry);
  put(['defaults', 'findtime'], exactDuration(defaults.findtimeMs));
  putBantime(['defaults', 'bantime'], defaults.bantime);
  put(['defaults', 'prefix', 'ipv4'], defaults.prefix.ipv4);
  put(['defaults', 'prefix', 'ipv6'], defaults.prefix.ipv6);
  for (const jail of config.jails) {
    const at = (...keys: readonly string[]): Path => ['jails', jail.name, ...keys];
    putList(at('filters'), jail.filters);
    put(at('maxretry'), jail.maxretry, ['defaults', 'maxretry']);
    put(at('findtime'), exactDuration(jail.findtimeMs), ['defaults', 'findtime']);
    putBantime(at('bantime'), jail.bantime);
    putPorts(at('ports'), jail.ports, put, putList);
    put(at('prefix', 'ipv4'), jail.prefix.ipv4, ['defaults', 'prefix', 'ipv4']);
    put(at('prefix', 'ipv6'), jail.prefix.ipv6, ['defaults', 'prefix', 'ipv6']);
    put(at('observe'), jail.observe);
  }
  put(['fail2ban', 'path'], config.fail2ban, ['fail2ban']);
  for (const jail of config.foreignJails) putForeign(jail, { put, putList, putBantime });
  put(['limits', 'message'], formatSize(config.limits.messageBytes));
  put(['limits', 'connections'], config.limits.connections);
  put(['limits', 'subjects'], config.limits.subjects);
  put(['limits', 'evidence'], formatSize(config.limits.evidenceBytes));
  put(['breaker', 'clients'], config.breaker.share);
  put(['breaker', 'least'], config.breaker.least);
  put(['breaker', 'within'], exactDuration(config.breaker.withinMs));
  const { rate } = config.breaker;
  put(['breaker', 'rate', 'bans'], rate?.bans);
  put(['breaker', 'rate', 'within'], rate === undefined ? undefined : exactDuration(rate.withinMs));
  return values;
}

type Put = (path: Path, value: ConfigValue['value'] | undefined, ...fallbacks: readonly Path[]) => void;
type PutList = (path: Path, items: readonly (string | number)[]) => void;

function putSources(sources: Config['sources'], put: Put, putList: PutList): void {
  put(['sources', 'own'], sources.own);
  if (sources.syslog.length === 0) put(['sources', 'syslog'], []);
  for (const [index, each] of sources.syslog.entries()) {
    const at = (key: string): Path => ['sources', 'syslog', index, key];
    put(at('listen'), formatSyslogListen(each));
    putList(at('peers'), each.peers.map(formatSubject));
    put(at('name'), each.name);
    put(at('timezone'), each.timezone);
    put(at('silence'), silenceText(each.silenceMs));
    putList(at('trusted_uids'), each.trustedUids);
  }
  const { journal } = sources;
  put(['sources', 'journal', 'enabled'], journal !== undefined);
  put(['sources', 'journal', 'directory'], journal?.directory);
  put(['sources', 'journal', 'namespace'], journal?.namespace);
  put(['sources', 'journal', 'silence'], journal === undefined ? undefined : silenceText(journal.silenceMs));
  put(['sources', 'journal', 'from'], journal === undefined ? undefined : beginText(journal.from));
  if (sources.files.length === 0) put(['sources', 'files'], []);
  for (const [index, each] of sources.files.entries()) {
    const at = (key: string): Path => ['sources', 'files', index, key];
    put(at('path'), each.path);
    put(at('name'), each.name);
    put(at('timezone'), each.timezone);
    put(at('program'), each.program);
    put(at('silence'), silenceText(each.silenceMs));
    put(at('from'), beginText(each.from));
  }
  put(['sources', 'max_skew'], exactDuration(sources.maxSkewMs));
}

type PutBantime = (path: Path, bantime: Bantime) => void;

function putForeign(
  { jail, texts, reading, ignore, readsBans, increment }: WrittenForeignJail,
  { put, putList, putBantime }: { readonly put: Put; readonly putList: PutList; readonly putBantime: PutBantime },
): void {
  const at = (...keys: Path): Path => ['jails', jail.name, ...keys];
  const its = (...keys: Path): Path => at('fail2ban', ...keys);
  put(its('prefregex'), texts.prefregex);
  putList(its('failregex'), texts.failregex);
  putList(its('ignoreregex'), texts.ignoreregex);
  putList(its('datepattern'), texts.datepattern);
  put(its('maxlines'), texts.maxlines);
  if (reading.kind === 'journal') {
    if (reading.matches.length === 0) put(its('journal'), []);
    for (const [index, group] of reading.matches.entries()) putList(its('journal', index), group);
    put(its('journal_directory'), reading.directory);
    put(its('journal_namespace'), reading.namespace);
  } else {
    for (const [index, { pattern, from }] of reading.paths.entries()) {
      put(its('files', index, 'path'), pattern, its('files', index));
      put(its('files', index, 'from'), from);
    }
    put(its('encoding'), reading.encoding);
  }
  put(its('bans'), readsBans);
  put(its('timezone'), texts.logtimezone);
  put(its('usedns'), texts.usedns);
  putList(its('ignore'), ignore.entries.map(ignoreText));
  if (increment !== undefined) {
    put(its('increment', 'factor'), increment.factor);
    put(its('increment', 'formula'), increment.formula);
    putList(its('increment', 'multipliers'), increment.multipliers);
    put(its('increment', 'max'), exactDuration(increment.maxMs));
    put(its('increment', 'random'), increment.randomMs === 0 ? undefined : exactDuration(increment.randomMs));
    put(its('increment', 'overall'), increment.overall);
    put(its('increment', 'remember'), exactDuration(increment.rememberMs));
  }
  put(at('maxretry'), jail.maxretry, ['defaults', 'maxretry']);
  put(at('findtime'), exactDuration(jail.findtimeMs), ['defaults', 'findtime']);
  // What grows by `increment`, or not at all, is written as the first length alone.
  if (increment === undefined && jail.bantime.factor !== 1) putBantime(at('bantime'), jail.bantime);
  else put(at('bantime'), exactDuration(jail.bantime.firstMs), ['defaults', 'bantime']);
  putPorts(at('ports'), jail.ports, put, putList);
  put(at('prefix', 'ipv4'), jail.prefix.ipv4);
  put(at('prefix', 'ipv6'), jail.prefix.ipv6);
  put(at('observe'), jail.observe);
}

/** As it is written at `ignore`. */
export function ignoreText(entry: ForeignIgnoreEntry): string {
  switch (entry.kind) {
    case 'network':
      return formatSubject(entry.prefix);
    case 'name':
      return entry.written;
    case 'file':
      return `file:${entry.path}`;
  }
}

function putPorts(path: Path, ports: Ports, put: Put, putList: PutList): void {
  const texts = portTexts(ports);
  if (texts === 'all') put(path, texts);
  else putList(path, texts);
}

/** As it is written at `ports`. Neighbouring ports as one range: a list may hold all 65,535. */
export function portTexts(ports: Ports): 'all' | readonly (string | number)[] {
  if (ports.kind === 'all') return 'all';
  const runs: { first: number; last: number }[] = [];
  for (const port of ports.ports) {
    const run = runs.at(-1);
    if (run !== undefined && port === run.last + 1) run.last = port;
    else runs.push({ first: port, last: port });
  }
  const protocols = ports.protocol === 'both' ? ['tcp', 'udp'] : [ports.protocol];
  return runs.flatMap(({ first, last }) => {
    const range = first === last ? String(first) : `${first}-${last}`;
    return protocols.map((protocol) => (protocol === 'tcp' ? (first === last ? first : range) : `${range}/${protocol}`));
  });
}

function placeOf(written: Written, paths: readonly Path[]): string | null {
  for (const path of paths) {
    const place = written(path);
    if (place !== undefined) return `${place.file}:${place.line}`;
  }
  return null;
}

function silenceText(ms: number): string | undefined {
  return ms === 0 ? undefined : exactDuration(ms);
}

function beginText(begin: Begin): string {
  return begin.kind === 'ago' ? exactDuration(begin.agoMs) : begin.kind;
}
