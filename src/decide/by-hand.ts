import { type Address, familyOf, type Prefix, prefixOf } from '../model/address.ts';
import type { Ban, BanOrigin, Decision } from '../model/decision.ts';
import type { Protection } from '../model/protection.ts';
import type { JailIndex } from './jail-index.ts';
import type { Ledger } from './ledger.ts';
import type { NeverBanned } from './never-banned.ts';
import { wholeAddress } from './subject-key.ts';

/** The jail of bans by hand: it counts nothing, its bans concern all ports. */
export const manualJail = 'manual';

/** An address is banned as the jail would ban it (IPv6: its /64), a prefix as it is. */
export type BanTarget = { readonly kind: 'address'; readonly address: Address } | { readonly kind: 'prefix'; readonly prefix: Prefix };

export type BanOutcome =
  /** `already`: it was in force, and is prolonged if that was asked. `narrowed`: why the one address is banned, not its network. */
  | {
      readonly kind: 'banned';
      readonly ban: Ban;
      readonly already: boolean;
      readonly narrowed: Protection | undefined;
      readonly also: readonly Decision[];
    }
  | { readonly kind: 'refused'; readonly because: Protection }
  | { readonly kind: 'unknown_jail' };

export interface BanRequest {
  readonly target: BanTarget;
  /** Absent: `manual`. */
  readonly jail?: string;
  /** Absent: as long as the jail would. Infinity: permanent. */
  readonly forMs?: number;
  /** Absent: `manual`. */
  readonly origin?: BanOrigin;
  readonly nowMs: number;
}

/** Bans what somebody names, unless it is never banned. */
export function banByHand(
  { target, jail = manualJail, forMs, origin = 'manual', nowMs }: BanRequest,
  { index, neverBanned, ledger }: { readonly index: JailIndex; readonly neverBanned: NeverBanned; readonly ledger: Ledger },
): BanOutcome {
  const slot = index.named(jail);
  if (slot === undefined) return { kind: 'unknown_jail' };
  const also: Decision[] = [];
  if (target.kind === 'prefix') {
    const because = neverBanned.whyOverlapping(target.prefix);
    if (because !== undefined) return { kind: 'refused', because };
    const made = ledger.banByHand(slot, { subject: target.prefix, address: undefined, forMs, nowMs, origin }, also);
    return { kind: 'banned', ...made, narrowed: undefined, also };
  }
  const { address } = target;
  const length = slot.jail.prefix[familyOf(address)];
  const verdict = neverBanned.verdict(address, length);
  if (verdict.kind === 'protected') return { kind: 'refused', because: verdict.because };
  const subject = prefixOf(address, verdict.kind === 'free' ? length : wholeAddress);
  const made = ledger.banByHand(slot, { subject, address, forMs, nowMs, origin }, also);
  return { kind: 'banned', ...made, narrowed: verdict.kind === 'narrow' ? verdict.because : undefined, also };
}
