import type { Ports } from '../../model/filter.ts';
import { parsePorts } from '../../model/ports.ts';
import type { SourcedText } from './sourced-text.ts';

/** What an iptables or nftables action closes: our own sets do the same. */
export interface KernelBan {
  readonly type: 'oneport' | 'multiport' | 'allports';
  readonly ports: Ports;
  /** What our sets do otherwise, in words for a person. */
  readonly differences: readonly string[];
}

interface Recognisable {
  readonly file: string;
  readonly commands: ReadonlyMap<string, SourcedText>;
  /** A parameter or a variable of the action, with its tags replaced. */
  readonly valueOf: (key: string) => string | undefined;
  /** The text of /etc/services. */
  readonly services: string;
}

/** One command, to one of these programs, with nothing behind it that would do more. `ipset --test` first is what old files do. */
const plainBan = /^(?:ipset --test \S+ <ip> \|\| +)?(?:<(?:iptables|nftables)>|ip6?tables|nft|ipset)(?: [^;&|`$()\n]*)?$/;
const plainEcho = /^echo \+<ip> > \/proc\/net\/xt_recent\/\S+$/;

/**
 * Recognises `iptables*` and `nftables*` by name, and by its command for a ban: if somebody changed that into more than one call of the packet
 * filter's program, it is an action like any other, since our sets would leave out what was added.
 *
 * @returns undefined for any other action, and for ports or protocols that our sets cannot have
 */
export function recogniseKernelBan({ file, commands, valueOf, services }: Recognisable): KernelBan | undefined {
  const name = file.slice(file.lastIndexOf('/') + 1);
  if (!/^(?:ip|nf)tables(?:-|$)/.test(name)) return undefined;
  const ban = commands.get('actionban')?.text ?? '';
  if (!plainBan.test(ban) && !plainEcho.test(ban)) return undefined;
  const type = typeOf(name, valueOf('type'));
  if (type === undefined) return undefined;

  const differences: string[] = [];
  const ports = portsOf(type, { valueOf, services, differences });
  if (ports === undefined) return undefined;
  // Turned round, the action lets those in whom it finds, and nobody else (pass2allow).
  if (!/^RETURN$/i.test(valueOf('returntype') ?? 'RETURN')) return undefined;
  const blocktype = valueOf('blocktype') ?? '';
  if (/^reject/i.test(blocktype)) differences.push(`packets are dropped instead of answered (blocktype = ${blocktype})`);
  else if (!/^(?:drop|DROP)$/.test(blocktype)) return undefined; // a jump, a mark, a redirection: not a ban
  const chain = valueOf('chain') ?? '';
  if (!/^(?:INPUT|f2b-chain)$/.test(chain)) differences.push(`the ban holds before any chain, not only in ${chain}`);
  if (name === 'iptables-multiport-log') differences.push('dropped packets are not logged');
  if (name === 'iptables-new') differences.push('packets of open connections are dropped too, not only new ones');
  return { type, ports, differences };
}

/** `type` is what newer files have; the names say it in older ones. */
function typeOf(name: string, type: string | undefined): KernelBan['type'] | undefined {
  if (name === 'iptables-xt_recent-echo') return 'allports';
  if (name === 'iptables-multiport-log') return 'multiport';
  if (type === 'oneport' || type === 'multiport' || type === 'allports') return type;
  return undefined;
}

type Protocol = 'tcp' | 'udp' | 'both';

const everyPort = new Map<Protocol, Ports>();

/** Always the same object. Made when it is asked for: it takes longer than to read a jail. */
function everyPortOf(protocol: Protocol): Ports {
  let ports = everyPort.get(protocol);
  if (ports === undefined) {
    ports = { kind: 'list', protocol, ports: Array.from({ length: 65_535 }, (_, index) => index + 1) };
    everyPort.set(protocol, ports);
  }
  return ports;
}

function portsOf(
  type: KernelBan['type'],
  {
    valueOf,
    services,
    differences,
  }: { readonly valueOf: Recognisable['valueOf']; readonly services: string; readonly differences: string[] },
): Ports | undefined {
  const protocols = (valueOf('protocol') ?? 'tcp')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((protocol) => protocol !== '');
  if (type === 'allports') {
    if (!protocols.includes('all')) differences.push(`all protocols are closed, not only ${protocols.join(', ')}`);
    return { kind: 'all' };
  }
  if (protocols.some((protocol) => protocol !== 'tcp' && protocol !== 'udp')) return undefined;
  const protocol = protocols.length === 2 ? 'both' : protocols[0] === 'udp' ? 'udp' : 'tcp';
  return readPorts(valueOf('port') ?? '', protocol, services);
}

/**
 * The list of ports of a jail: names and numbers with commas between, ranges with `:` or `-`. The protocol is the action's, whatever the name
 * would say.
 *
 * @returns undefined if it names no port that is known
 */
export function readPorts(text: string, protocol: Protocol, services: string): Ports | undefined {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  if (entries.some((entry) => /^[01][:-]65535$/.test(entry))) return everyPortOf(protocol);
  const parsed = parsePorts(
    entries.map((entry) => entry.replace(/^0([:-])/, '1$1')),
    services,
  );
  if (parsed.kind === 'mistakes' || parsed.ports.kind === 'all') return undefined;
  return { ...parsed.ports, protocol };
}
