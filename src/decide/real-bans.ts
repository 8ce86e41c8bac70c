import type { Prefix } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';
import type { Ports } from '../model/filter.ts';
import type { JailIndex, JailSlot } from './jail-index.ts';
import type { Ledger } from './ledger.ts';

/** One element that must stand in the kernel. */
export interface KernelElement {
  readonly ports: Ports;
  readonly subject: Prefix;
  /** Infinity: permanent. */
  readonly untilMs: number;
}

/** The latest end of the real bans of the subject by jails with these ports; undefined: there is none. */
export function latestUntilMs(ledger: Ledger, index: JailIndex, portsKey: string, subject: Prefix): number | undefined {
  let latest: number | undefined;
  for (const slot of index.withPorts(portsKey)) {
    const untilMs = realUntilMs(ledger, slot, subject);
    if (untilMs !== undefined && (latest === undefined || untilMs > latest)) latest = untilMs;
  }
  return latest;
}

/** All that must stand in the kernel now, each (ports, subject) once. */
export function* kernelElements(ledger: Ledger, index: JailIndex, nowMs: number): Generator<KernelElement, void, void> {
  for (const { ban, lane } of ledger.book.all()) {
    const slot = index.inLane(lane);
    if (slot === undefined || ban.observe || ban.untilMs <= nowMs) continue;
    if (slot.jail.closes === false) continue;
    const { subject, untilMs } = ban;
    if (!standsAside(ledger, index.withPorts(slot.portsKey), slot, ban)) yield { ports: slot.jail.ports, subject, untilMs };
  }
}

/** Whether another jail with the same ports bans the subject for longer; of several bans with the same end the first jail's stands for all. */
function standsAside(ledger: Ledger, slots: readonly JailSlot[], own: JailSlot, { subject, untilMs }: Ban): boolean {
  let before = true;
  for (const slot of slots) {
    if (slot === own) {
      before = false;
      continue;
    }
    const otherMs = realUntilMs(ledger, slot, subject);
    if (otherMs !== undefined && (otherMs > untilMs || (otherMs === untilMs && before))) return true;
  }
  return false;
}

function realUntilMs(ledger: Ledger, { lane, jail }: JailSlot, subject: Prefix): number | undefined {
  if (jail.closes === false) return undefined;
  const ban = ledger.book.get(ledger.keyOf(lane, subject))?.ban;
  return ban?.observe === false ? ban.untilMs : undefined;
}
