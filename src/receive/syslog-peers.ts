import { networkInterfaces } from 'node:os';
import { type Address, covers, parseAddress, parsePrefix, type Prefix } from '../model/address.ts';

/** What the address of a sender says by itself. */
export type PeerVerdict =
  | { readonly kind: 'listed'; readonly address: Address; readonly loopback: boolean }
  | { readonly kind: 'denied'; readonly shown: string };

const loopback = ['127.0.0.0/8', '::1/128'].map(parsePrefix).filter((prefix) => prefix !== undefined);
const maxRemembered = 10_000;

/**
 * Who may send to a listener on `host`.
 *
 * Without a list a loopback listener takes loopback senders.
 *
 * @returns a function of the address as Node gives it, which remembers its answers: it is asked for every datagram
 * @throws {Error} for a listener on every address, or on one that others can reach, without a list
 */
export function createPeerCheck(host: string, listed: readonly Prefix[]): (remoteAddress: string) => PeerVerdict {
  const address = addressOf(host);
  const peers = listed.length > 0 ? listed : loopback;
  if (listed.length === 0 && (address === undefined || !isLoopback(address))) {
    throw new Error(`Cannot listen on ${host} for everybody: list the hosts that may send under "peers:", or listen on 127.0.0.1`);
  }
  const remembered = new Map<string, PeerVerdict>();
  return (remoteAddress) => {
    const known = remembered.get(remoteAddress);
    if (known !== undefined) return known;
    const verdict = judge(remoteAddress, peers);
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(remoteAddress, verdict);
    return verdict;
  };
}

/** Whether a sender with this address is a process on this host: then the socket's owner counts, not the address. */
export function isOwnAddress(address: Address): boolean {
  if (isLoopback(address)) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => addressOf(own.address) === address));
}

/** An address as Node gives it: IPv4-mapped, with the interface behind a `%`, undefined for a socket that is gone. */
export function addressOf(text: string | undefined): Address | undefined {
  return text === undefined ? undefined : parseAddress(withoutZone(text));
}

function judge(remoteAddress: string, peers: readonly Prefix[]): PeerVerdict {
  const address = addressOf(remoteAddress);
  if (address === undefined || !peers.some((peer) => covers(peer, address))) return { kind: 'denied', shown: address ?? 'no address' };
  return { kind: 'listed', address, loopback: isLoopback(address) };
}

function isLoopback(address: Address): boolean {
  return loopback.some((prefix) => covers(prefix, address));
}

/** `fe80::1%eth0`: the interface is not part of the address. */
function withoutZone(address: string): string {
  const percent = address.indexOf('%');
  return percent === -1 ? address : address.slice(0, percent);
}
