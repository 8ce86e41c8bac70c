import type { Address } from '../model/address.ts';

/** Somebody who logged in from another host, now or a while ago. */
export interface Session {
  readonly address: Address;
  /** As the system wrote it: whoever shows it escapes it. */
  readonly user: string;
  /** When he was last known to be logged in, ms since the epoch. */
  readonly seenMs: number;
}

/** How long after its end a session still protects its address. */
export const sessionMemoryMs = 3_600_000;
/** Most sessions that are remembered, the latest. */
const maxSessions = 1_000;

/**
 * Sessions of the last hour: what is known now, and what was known before. Ended ones leave no trace in some places
 * (/run/systemd/sessions), so they are remembered. One entry for each (user, address).
 */
export function rememberSessions(before: readonly Session[], now: readonly Session[], nowMs: number): readonly Session[] {
  const latest = new Map<string, Session>();
  for (const session of [...before, ...now]) {
    // The clock may have been set back: nobody was seen in the future.
    const seenMs = Math.min(session.seenMs, nowMs);
    if (nowMs - seenMs > sessionMemoryMs) continue;
    const name = `${session.address} ${session.user}`;
    const known = latest.get(name);
    if (known === undefined || known.seenMs < seenMs) latest.set(name, { ...session, seenMs });
  }
  return [...latest.values()].toSorted((a, b) => b.seenMs - a.seenMs).slice(0, maxSessions);
}
