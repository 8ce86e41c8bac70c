import { type Address, parseAddress } from '../model/address.ts';

/** A route's next hop. */
export interface Gateway {
  readonly address: Address;
  readonly interface: string;
}

/**
 * Next hops of IPv4 from /proc/net/route: every route by way of a gateway, not only the default. The table is the main one; with several next
 * hops it shows the first.
 *
 * @see Linux net/ipv4/fib_trie.c, fib_route_seq_show: addresses as 32-bit numbers of the machine's byte order, here little-endian
 */
export function parseRoutes(text: string): readonly Gateway[] {
  return rows(text, 1).flatMap(([name = '', , gateway = '', flags = '']) => {
    const address = littleEndianIpv4(gateway);
    return isGateway(flags) && address !== undefined ? [{ address, interface: name }] : [];
  });
}

/**
 * Next hops of IPv6 from /proc/net/ipv6_route.
 *
 * @see Linux net/ipv6/route.c, rt6_seq_show: destination, length, source, length, next hop, metric, references, use, flags, device
 */
export function parseIpv6Routes(text: string): readonly Gateway[] {
  return rows(text, 0).flatMap(([, , , , nextHop = '', , , , flags = '', name = '']) => {
    const address = /^[0-9a-f]{32}$/.test(nextHop) ? parseAddress(nextHop.replace(/(....)(?=.)/g, '$1:')) : undefined;
    return isGateway(flags) && address !== undefined ? [{ address, interface: name }] : [];
  });
}

/** One line of /proc/net/tcp or tcp6. */
export interface TcpSocket {
  readonly localPort: number;
  readonly remote: Address;
  readonly established: boolean;
  readonly inode: number;
}

/**
 * @see proc_net_tcp (Linux Documentation/networking/proc_net_tcp.rst); an IPv6 address stands as four 32-bit numbers of the machine's byte
 *   order, here little-endian
 */
export function parseTcp(text: string): readonly TcpSocket[] {
  return rows(text, 1).flatMap(([, local = '', remote = '', state = '', , , , , , inode = '']) => {
    const [, localPort = ''] = local.split(':');
    const [remoteAddress = ''] = remote.split(':');
    const address = remoteAddress.length === 8 ? littleEndianIpv4(remoteAddress) : littleEndianIpv6(remoteAddress);
    const port = Number.parseInt(localPort, 16);
    if (address === undefined || Number.isNaN(port) || !/^\d+$/.test(inode)) return [];
    return [{ localPort: port, remote: address, established: state === tcpEstablished, inode: Number(inode) }];
  });
}

/** TCP_ESTABLISHED of include/net/tcp_states.h. */
const tcpEstablished = '01';
/** RTF_UP, RTF_GATEWAY, RTF_REJECT of include/uapi/linux/route.h. */
const [routeUp, routeGateway, routeReject] = [0x1, 0x2, 0x200] as const;

function isGateway(flags: string): boolean {
  const bits = Number.parseInt(flags, 16);
  return (bits & routeUp) !== 0 && (bits & routeGateway) !== 0 && (bits & routeReject) === 0;
}

function rows(text: string, headings: number): readonly (readonly string[])[] {
  return text
    .split('\n')
    .slice(headings)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length > 1);
}

function littleEndianIpv4(hex: string): Address | undefined {
  return /^[0-9A-F]{8}$/.test(hex) ? parseAddress(Buffer.from(hex, 'hex').toReversed().join('.')) : undefined;
}

function littleEndianIpv6(hex: string): Address | undefined {
  if (!/^[0-9A-F]{32}$/.test(hex)) return undefined;
  const words = Buffer.from(hex, 'hex').swap32().toString('hex');
  return parseAddress(words.replace(/(....)(?=.)/g, '$1:'));
}
