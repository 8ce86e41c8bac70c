import type { Address } from '../model/address.ts';
import type { LogRecord } from '../model/record.ts';

interface Kept {
  readonly address: Address;
  readonly atMs: number;
}

/**
 * Addresses that earlier lines named, by host and key (Postfix: the queue id). Bounded: the oldest entry goes for a new one.
 *
 * Records that are not believed have a memory of their own, so that they neither fill nor change what believed ones rely on.
 */
export class Remembered {
  private readonly maxEntries: number;
  private readonly maxAgeMs: number;
  private readonly kept = { full: new Map<string, Kept>(), low: new Map<string, Kept>() };
  /** Entries thrown out for room so far. */
  evicted = 0;

  constructor(maxEntries: number, maxAgeMs: number) {
    this.maxEntries = maxEntries;
    this.maxAgeMs = maxAgeMs;
  }

  keep(record: LogRecord, key: string, address: Address): void {
    const kept = this.kept[record.trust];
    const joined = joinedKey(record, key);
    // Deleted first: a Map keeps the order of the first insertion, and a queue id that is used again is new.
    kept.delete(joined);
    kept.set(joined, { address, atMs: timeOf(record) });
    if (kept.size <= this.maxEntries) return;
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
    this.evicted++;
  }

  recall(record: LogRecord, key: string): Address | undefined {
    const found = this.kept[record.trust].get(joinedKey(record, key));
    // Queue ids come again in time: what is too far away speaks of another message.
    return found !== undefined && Math.abs(timeOf(record) - found.atMs) <= this.maxAgeMs ? found.address : undefined;
  }
}

function joinedKey({ hostname }: LogRecord, key: string): string {
  return `${hostname ?? ''}\0${key}`;
}

function timeOf({ stamp, receivedMs }: LogRecord): number {
  return stamp?.ms ?? receivedMs;
}
