import { type Address, parseAddress, parsePrefix, type Prefix, prefixOf } from '../model/address.ts';

/**
 * What a person asked to ban, unban or allow. An address and its /128 are not the same: a jail bans the address with its own prefix
 * length, by default an IPv6 address as its /64; a network is taken as it is.
 */
export type Target = { readonly kind: 'address'; readonly address: Address } | { readonly kind: 'prefix'; readonly prefix: Prefix };

/** `192.0.2.1`, `2001:db8::1`, `192.0.2.0/24`. @returns undefined for anything else. */
export function parseTarget(text: string): Target | undefined {
  const address = parseAddress(text);
  if (address !== undefined) return { kind: 'address', address };
  const prefix = parsePrefix(text);
  return prefix === undefined ? undefined : { kind: 'prefix', prefix };
}

/** The target as a network: an address is /32 or /128. */
export function exactPrefix(target: Target): Prefix {
  return target.kind === 'prefix' ? target.prefix : prefixOf(target.address, 128);
}

/** As people write it. */
export function formatTarget(target: Target): string {
  return target.kind === 'prefix' ? target.prefix : target.address;
}
