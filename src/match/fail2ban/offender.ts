import { formatSubject, isSingle, parseAddress, parsePrefix, splitPrefix } from '../../model/address.ts';
import type { Address, Prefix } from '../../model/address.ts';

/** Whom a failure names. */
export interface Offender {
  /** What is counted and banned: an address in canonical form, a network, or any text. */
  readonly id: string;
  /** The address, if the id is one. */
  readonly address: Address | undefined;
  /** The network, if the filter names one that is more than one address. */
  readonly network: Prefix | undefined;
  /** A host name, from `<HOST>` or `<DNS>`: nobody is banned by it unless it is looked up (`usedns`). */
  readonly isName: boolean;
}

/**
 * Reads the offender from the groups of a match: `fid` if there is one, else `ip4`, `ip6`, `dns`.
 *
 * @returns undefined if none of them took part
 */
export function offenderOf(groups: ReadonlyMap<string, string>): Offender | undefined {
  const own = groups.get('fid');
  const address = groups.get('ip4') ?? groups.get('ip6');
  if (address !== undefined && (own === undefined || own === address)) return addressed(address, groups.get('cidr') ?? '');
  const name = groups.get('dns');
  if (address === undefined && name !== undefined) return named(name);
  return own === undefined ? undefined : freeForm(own);
}

/** `cidr`: digits, or empty. Digits of an address that does not exist, 999.1.1.1, stay the text that they are. */
function addressed(text: string, cidr: string): Offender {
  const address = parseAddress(text);
  const network = address === undefined || cidr === '' ? undefined : parsePrefix(`${address}/${cidr}`);
  if (network !== undefined && !isSingle(network)) return ofNetwork(network);
  return { id: address ?? text, address, network: undefined, isName: false };
}

/** An id of a filter's own making (`<F-ID>`): an address or a network if it reads as one. */
function freeForm(text: string): Offender {
  const bare = text.length > 2 && text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const address = parseAddress(bare);
  if (address !== undefined) return { id: address, address, network: undefined, isName: false };
  const network = bare.includes('/') ? parsePrefix(bare) : undefined;
  return network === undefined ? { id: bare, address: undefined, network: undefined, isName: false } : ofNetwork(network);
}

/** What stands where a name may stand is often an address, and needs nobody to be asked for it. */
function named(name: string): Offender {
  const address = parseAddress(name);
  return { id: address ?? name, address, network: undefined, isName: address === undefined };
}

function ofNetwork(network: Prefix): Offender {
  const single = isSingle(network);
  return {
    id: formatSubject(network),
    address: single ? splitPrefix(network).address : undefined,
    network: single ? undefined : network,
    isName: false,
  };
}
