import { isSingle, prefixOf } from '../model/address.ts';
import type { Ban, Decision } from '../model/decision.ts';
import type { Protection } from '../model/protection.ts';
import type { ActiveBan } from './ban-book.ts';
import type { Ledger } from './ledger.ts';
import type { NeverBanned } from './never-banned.ts';
import { wholeAddress } from './subject-key.ts';

/** Lifts or narrows the bans that are in the way of what is protected from now on. */
export function giveWayTo(
  added: readonly Protection[],
  ledger: Ledger,
  { neverBanned, lanes, nowMs }: { readonly neverBanned: NeverBanned; readonly lanes: readonly number[]; readonly nowMs: number },
  out: Decision[],
): void {
  // An allowlist may have 100,000 networks, and each would look at all bans.
  if (added.some(({ prefix }) => !isSingle(prefix))) {
    for (const active of ledger.book.list())
      if (neverBanned.whyOverlapping(active.ban.subject) !== undefined) giveWay(active, ledger, neverBanned, nowMs, out);
    return;
  }
  for (const { prefix } of added) {
    for (const active of ledger.overlapping(prefix, lanes)) giveWay(active, ledger, neverBanned, nowMs, out);
  }
}

/** Lifts a ban of something protected. If only a part of its network is, its offender stays banned alone, where he is known. */
export function giveWay(active: ActiveBan, ledger: Ledger, neverBanned: NeverBanned, nowMs: number, out: Decision[]): void {
  const { ban, failures, lane } = active;
  ledger.end(active, nowMs, 'allowlist', out);
  const { address } = ban;
  if (address === undefined || isSingle(ban.subject) || ban.untilMs <= nowMs || neverBanned.why(address) !== undefined) return;
  const subject = prefixOf(address, wholeAddress);
  const known = ledger.book.get(ledger.keyOf(lane, subject));
  if (known !== undefined && known.untilMs >= ban.untilMs) return;
  const narrowed: Ban = { ...ban, subject };
  ledger.enter(lane, narrowed, failures, nowMs, out);
  out.push({ kind: 'ban', jail: ban.jail, subject, address, failures: failures ?? 0, ban: narrowed });
}
