import { type Address, isSingle, type Prefix } from '../model/address.ts';
import type { PastBan } from '../model/checkpoint.ts';
import type { Ban, Jail } from '../model/decision.ts';
import type { Protection } from '../model/protection.ts';
import type { Trust } from '../model/record.ts';
import type { EvidenceLine } from './evidence.ts';
import type { JailIndex } from './jail-index.ts';
import type { Ledger } from './ledger.ts';
import { subjectOf } from './subject-key.ts';

/** What is known of one address: everything that concerns it or a subject that holds it. */
export interface AddressExplanation {
  readonly address: Address;
  /** Why it is never banned; empty: it may be. */
  readonly protectedBy: readonly Protection[];
  /** In force now, would-be bans too. `failures`: how many led to it, where that is known. */
  readonly bans: readonly { readonly ban: Ban; readonly trust: Trust; readonly failures: number | undefined; readonly jail: Jail }[];
  /** Failures that did not lead to a ban. `counting`: those that a failure now would join. */
  readonly windows: readonly {
    readonly jail: Jail;
    readonly trust: Trust;
    readonly subject: Prefix;
    readonly failuresMs: readonly number[];
    readonly counting: number;
  }[];
  readonly history: readonly (PastBan & { readonly trust: Trust })[];
  /** Oldest first. */
  readonly evidence: readonly (EvidenceLine & { readonly trust: Trust; readonly subject: Prefix })[];
}

/** Collects it. Costs a few look-ups for each jail and prefix length in use. */
export function explain(
  single: Prefix,
  parts: {
    readonly address: Address;
    readonly nowMs: number;
    readonly protectedBy: readonly Protection[];
    readonly index: JailIndex;
    readonly ledgers: Readonly<Record<Trust, Ledger>>;
  },
): AddressExplanation {
  if (!isSingle(single)) throw new Error(`${single} is not one address`);
  const { address, nowMs, protectedBy, index } = parts;
  const lanes = index.slots.map(({ lane }) => lane);
  const bans: AddressExplanation['bans'][number][] = [];
  const windows: AddressExplanation['windows'][number][] = [];
  const history: AddressExplanation['history'][number][] = [];
  const evidence: AddressExplanation['evidence'][number][] = [];
  for (const trust of ['full', 'low'] as const) {
    const ledger = parts.ledgers[trust];
    for (const { ban, failures, lane } of ledger.book.covering(single, lanes)) {
      const slot = index.inLane(lane);
      if (slot !== undefined && ban.untilMs > nowMs) bans.push({ ban, trust, failures, jail: slot.jail });
    }
    const subjects = new Set<Prefix>();
    for (const key of ledger.keysHolding(single, [0], () => true)) subjects.add(subjectOf(key));
    for (const subject of subjects) {
      for (const line of ledger.evidence.of(subject)) evidence.push({ ...line, trust, subject });
      for (const { jail, lane } of index.slots) {
        const failuresMs = ledger.windows.read(ledger.keyOf(lane, subject));
        const counting = failuresMs.filter((failedMs) => failedMs <= nowMs && nowMs - failedMs < jail.findtimeMs).length;
        if (failuresMs.length > 0) windows.push({ jail, trust, subject, failuresMs, counting });
        const past = ledger.history.get(ledger.keyOf(lane, subject));
        if (past !== undefined) history.push({ jail: jail.name, subject, ...past, trust });
      }
    }
  }
  evidence.sort((a, b) => a.atMs - b.atMs);
  return { address, protectedBy, bans, windows, history, evidence };
}
