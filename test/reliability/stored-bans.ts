import { openStore } from '../../src/store/store.ts';
import { parsePrefix, type Prefix } from '../../src/model/address.ts';
import type { Ban } from '../../src/model/decision.ts';

/** 198.18.0.0/15, RFC 2544: the only documentation range with room for so many. */
export function storedSubject(index: number): Prefix {
  const prefix = parsePrefix(`198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`);
  if (prefix === undefined) throw new Error(`no address ${index}`);
  return prefix;
}

/** A ban that began an hour ago and ends in an hour and some minutes, another one for each subject. */
export function storedBan(index: number, nowMs: number): Ban {
  const hourMs = 3_600_000;
  const untilMs = nowMs + hourMs + (index % 600) * 1_000;
  return { jail: 'relay', subject: storedSubject(index), sinceMs: nowMs - hourMs, untilMs, count: 2, origin: 'jail', observe: false };
}

/** Writes what a daemon that had banned `count` hosts leaves behind; `over` more bans have ended since. */
export function storeBans(path: string, count: number, over: number): void {
  const nowMs = Date.now();
  const store = openStore(path, nowMs);
  const bans = Array.from({ length: count }, (_, index) => storedBan(index, nowMs));
  const ended = Array.from({ length: over }, (_, index) => ({ ...storedBan(count + index, nowMs), untilMs: nowMs - 1 }));
  const rows = [...bans, ...ended].map((ban) => ({ jail: ban.jail, subject: ban.subject, ban }));
  store.commit({ bans: rows, past: [], windows: [], allow: [], cursors: [] });
  store.close();
}
