import type { Address } from '../model/address.ts';
import type { LogRecord } from '../model/record.ts';

/**
 * Addresses that earlier lines named, by host and key (Postfix: the queue id). Bounded: the oldest entry goes for a new one.
 *
 * Records that are not believed have a memory of their own, so that they neither fill nor change what believed ones rely on.
 */
export class Remembered {
  private readonly maxAgeMs: number;
  private readonly kept: { readonly full: OldestFirst; readonly low: OldestFirst };

  constructor(maxEntries: number, maxAgeMs: number) {
    this.maxAgeMs = maxAgeMs;
    this.kept = { full: new OldestFirst(maxEntries), low: new OldestFirst(maxEntries) };
  }

  /** Entries thrown out for room so far. */
  get evicted(): number {
    return this.kept.full.evicted + this.kept.low.evicted;
  }

  keep(record: LogRecord, key: string, address: Address): void {
    this.kept[record.trust].set(joinedKey(record, key), address, timeOf(record));
  }

  recall(record: LogRecord, key: string): Address | undefined {
    const found = this.kept[record.trust].get(joinedKey(record, key));
    // Queue ids come again in time: what is too far away speaks of another message.
    return found !== undefined && Math.abs(timeOf(record) - found.atMs) <= this.maxAgeMs ? found.address : undefined;
  }
}

interface Kept {
  readonly key: string;
  address: Address;
  atMs: number;
  /** Neighbours in the order of their last `set`. */
  older: Kept | undefined;
  newer: Kept | undefined;
}

/**
 * A Map that forgets what was set first. Linked by hand: a Map keeps that order too, but to find its first entry it passes over all that were
 * deleted, which took nine microseconds.
 */
class OldestFirst {
  private readonly maxEntries: number;
  private readonly entries = new Map<string, Kept>();
  private oldest: Kept | undefined;
  private newest: Kept | undefined;
  evicted = 0;

  constructor(maxEntries: number) {
    this.maxEntries = maxEntries;
  }

  get(key: string): Kept | undefined {
    return this.entries.get(key);
  }

  /** A key that is set again is new. */
  set(key: string, address: Address, atMs: number): void {
    const known = this.entries.get(key);
    if (known === undefined) {
      const kept: Kept = { key, address, atMs, older: undefined, newer: undefined };
      this.entries.set(key, kept);
      this.append(kept);
    } else {
      known.address = address;
      known.atMs = atMs;
      this.unlink(known);
      this.append(known);
    }
    if (this.entries.size <= this.maxEntries || this.oldest === undefined) return;
    this.entries.delete(this.oldest.key);
    this.unlink(this.oldest);
    this.evicted += 1;
  }

  private append(kept: Kept): void {
    kept.older = this.newest;
    kept.newer = undefined;
    if (this.newest === undefined) this.oldest = kept;
    else this.newest.newer = kept;
    this.newest = kept;
  }

  private unlink(kept: Kept): void {
    if (kept.older === undefined) this.oldest = kept.newer;
    else kept.older.newer = kept.newer;
    if (kept.newer === undefined) this.newest = kept.older;
    else kept.newer.older = kept.older;
  }
}

function joinedKey({ hostname }: LogRecord, key: string): string {
  return `${hostname ?? ''}\0${key}`;
}

function timeOf({ stamp, receivedMs }: LogRecord): number {
  return stamp?.ms ?? receivedMs;
}
