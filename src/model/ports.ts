import type { Ports } from './filter.ts';
import { didYouMean } from './spelling.ts';

type Protocol = 'tcp' | 'udp' | 'both';

/** One entry of a list of ports that cannot be used. */
export interface PortMistake {
  /** Which entry of the list, from 0. */
  readonly index: number;
  /** What was found, what is wanted. */
  readonly message: string;
}

export type ParsedPorts =
  | { readonly kind: 'ports'; readonly ports: Ports }
  | { readonly kind: 'mistakes'; readonly mistakes: readonly PortMistake[] };

/** Names that are known without /etc/services, which small images do not have. IANA's names, and those that mail admins write. */
const builtin: ReadonlyMap<string, { readonly port: number; readonly protocol: Protocol }> = new Map(
  Object.entries({
    ftp: { port: 21, protocol: 'tcp' },
    ssh: { port: 22, protocol: 'tcp' },
    telnet: { port: 23, protocol: 'tcp' },
    smtp: { port: 25, protocol: 'tcp' },
    domain: { port: 53, protocol: 'both' },
    http: { port: 80, protocol: 'tcp' },
    pop3: { port: 110, protocol: 'tcp' },
    imap: { port: 143, protocol: 'tcp' },
    imap2: { port: 143, protocol: 'tcp' },
    ldap: { port: 389, protocol: 'tcp' },
    // HTTP/3 runs over UDP.
    https: { port: 443, protocol: 'both' },
    submissions: { port: 465, protocol: 'tcp' },
    smtps: { port: 465, protocol: 'tcp' },
    submission: { port: 587, protocol: 'tcp' },
    ldaps: { port: 636, protocol: 'tcp' },
    ftps: { port: 990, protocol: 'tcp' },
    imaps: { port: 993, protocol: 'tcp' },
    pop3s: { port: 995, protocol: 'tcp' },
    mysql: { port: 3306, protocol: 'tcp' },
    sieve: { port: 4190, protocol: 'tcp' },
    managesieve: { port: 4190, protocol: 'tcp' },
    sip: { port: 5060, protocol: 'both' },
    'sip-tls': { port: 5061, protocol: 'tcp' },
    postgresql: { port: 5432, protocol: 'tcp' },
  } as const),
);

/** Names that can be written where /etc/services is not there. */
export const builtinPortNames: readonly string[] = [...builtin.keys()];

interface Entry {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

/**
 * Reads a list of ports: names (`smtp`), numbers (`25`), ranges (`40000-40100`), each with `/tcp` or `/udp` behind it where that matters. A
 * number alone means TCP. The list has one protocol: TCP and UDP together make `both` for every port of it.
 *
 * @param entries `all`, or the list
 * @param services the text of /etc/services, for names that are not built in; '' without it
 */
export function parsePorts(entries: 'all' | readonly (string | number)[], services: string): ParsedPorts {
  if (entries === 'all') return { kind: 'ports', ports: { kind: 'all' } };
  const mistakes: PortMistake[] = [];
  const ports = new Set<number>();
  const protocols = new Set<Protocol>();
  for (const [index, written] of entries.entries()) {
    const entry = parseEntry(String(written), services);
    if (typeof entry === 'string') {
      mistakes.push({ index, message: entry });
      continue;
    }
    protocols.add(entry.protocol);
    for (let port = entry.first; port <= entry.last; port++) ports.add(port);
  }
  if (entries.length === 0) mistakes.push({ index: 0, message: 'the list of ports is empty; name the ports to close, or write "all"' });
  if (mistakes.length > 0) return { kind: 'mistakes', mistakes };
  const [only = 'tcp'] = protocols;
  const protocol = protocols.size === 1 ? only : 'both';
  return { kind: 'ports', ports: { kind: 'list', protocol, ports: [...ports].toSorted((a, b) => a - b) } };
}

/** @returns the mistake, as text, if it is none */
function parseEntry(text: string, services: string): Entry | string {
  const [, body = text, suffix] = /^(.*)\/(tcp|udp)$/.exec(text) ?? [];
  const protocol = suffix === 'tcp' || suffix === 'udp' ? suffix : undefined;
  const [, from, to] = /^(\d+)(?:[-:](\d+))?$/.exec(body) ?? [];
  if (from !== undefined) {
    const first = Number(from);
    const last = to === undefined ? first : Number(to);
    if (first === 0 && last === 65_535) return `"${text}" is every port: write "ports: all"`;
    for (const port of [first, last]) {
      if (port < 1 || port > 65_535) return `${port} is not a port; wanted a number from 1 to 65535`;
    }
    if (first > last) return `the range "${text}" ends before it begins; write "${last}-${first}"`;
    return { protocol: protocol ?? 'tcp', first, last };
  }
  if (body === 'all') return '"all" stands alone: write "ports: all"';
  const known = builtin.get(body) ?? serviceIn(services, body);
  if (known === undefined) {
    const names = [...builtin.keys(), ...serviceNames(services)];
    return `"${text}" is not a known port${didYouMean(body, names) || '; wanted a name such as smtp, a number, or a range such as 40000-40100'}`;
  }
  return { protocol: protocol ?? known.protocol, first: known.port, last: known.port };
}

/** Looks a name or an alias up in the text of /etc/services, services(5). */
function serviceIn(services: string, name: string): { readonly port: number; readonly protocol: Protocol } | undefined {
  let found: { readonly port: number; readonly protocol: Protocol } | undefined;
  for (const { names, port, protocol } of serviceLines(services)) {
    if (!names.includes(name)) continue;
    if (found === undefined) found = { port, protocol };
    else if (found.port === port && found.protocol !== protocol) found = { port, protocol: 'both' };
  }
  return found;
}

function* serviceNames(services: string): Generator<string> {
  for (const { names } of serviceLines(services)) yield* names;
}

function* serviceLines(
  services: string,
): Generator<{ readonly names: readonly string[]; readonly port: number; readonly protocol: 'tcp' | 'udp' }> {
  for (const [, name = '', port, protocol, aliases = ''] of services.matchAll(/^([^\s#]+)[ \t]+(\d+)\/(tcp|udp)([^#\n]*)/gm)) {
    if (protocol !== 'tcp' && protocol !== 'udp') continue;
    yield { names: [name, ...aliases.split(/\s+/).filter((alias) => alias !== '')], port: Number(port), protocol };
  }
}
