import { type Address, familyOf, type Prefix, prefixOf } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';

/** When a rule that meets honest clients is more likely than an attack. */
export interface BreakerSettings {
  /** Share of the clients that succeeded lately which bans may cover, 0 to 1; 1: any. */
  readonly share: number;
  /** Fewer of them never stop anything: with three clients, one is a third. */
  readonly least: number;
  /** What "lately" is, ms. */
  readonly withinMs: number;
  /** At most so many bans in so many ms, whoever is banned; undefined: any number, because an attack may well have ten thousand hosts. */
  readonly rate: { readonly bans: number; readonly withinMs: number } | undefined;
}

/** Why new bans have stopped. */
export interface Trip {
  readonly sinceMs: number;
  readonly because: 'clients' | 'rate';
  /** One sentence with the figures. */
  readonly detail: string;
}

/** Clients that are remembered; beyond that the one that succeeded longest ago is forgotten. */
const maxClients = 65_536;

/**
 * Stops new bans when they look like a mistake: too many at once (if that is asked for), or too many of those who logged in lately. What it
 * has stopped stays stopped until somebody resets it: whatever made it stop is still there.
 *
 * Pure: time comes in. Nothing of it survives a restart.
 */
export class Breaker {
  #settings: BreakerSettings;
  /** By what an address stands for (itself, or its /64), oldest success first: when it succeeded last. */
  readonly #succeeded = new Map<Prefix, number>();
  /** Of those, the ones that were banned, oldest first: when. */
  readonly #covered = new Map<Prefix, number>();
  /** When the last bans were made, a ring as long as the rate. */
  #banned: Float64Array;
  #bans = 0;
  #trip: Trip | undefined;

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
    this.#banned = new Float64Array(settings.rate?.bans ?? 0);
  }

  get trip(): Trip | undefined {
    return this.#trip;
  }

  /** Clients that succeeded lately. */
  clients(nowMs: number): number {
    forget(this.#succeeded, nowMs - this.#settings.withinMs);
    return this.#succeeded.size;
  }

  configure(settings: BreakerSettings): void {
    if (settings.rate?.bans !== this.#settings.rate?.bans) {
      this.#banned = new Float64Array(settings.rate?.bans ?? 0);
      this.#bans = 0;
    }
    this.#settings = settings;
  }

  /** Somebody proved to be welcome: logged in, say. */
  succeeded(address: Address, nowMs: number): void {
    const client = clientOf(address);
    // Deleted first: a Map keeps the order of the first insertion.
    this.#succeeded.delete(client);
    this.#succeeded.set(client, nowMs);
    if (this.#succeeded.size <= maxClients) return;
    const [oldest] = this.#succeeded.keys();
    if (oldest !== undefined) this.#succeeded.delete(oldest);
  }

  /** To be asked before each ban that would be real. @returns why it must not be made; else it counts as made */
  refuses({ subject, address }: Pick<Ban, 'subject' | 'address'>, nowMs: number): Trip | undefined {
    this.#trip ??= this.#tripsOn(subject, address, nowMs);
    return this.#trip;
  }

  /** Bans may be made again, and those made so far do not count any more. @returns why they had stopped */
  reset(): Trip | undefined {
    const trip = this.#trip;
    this.#trip = undefined;
    this.#covered.clear();
    this.#bans = 0;
    return trip;
  }

  #tripsOn(subject: Prefix, address: Address | undefined, nowMs: number): Trip | undefined {
    const { share, least, withinMs, rate } = this.#settings;
    // Of a wider network only the one client that failed is looked at.
    const client = address === undefined ? subject : clientOf(address);
    const clients = this.clients(nowMs);
    if (this.#succeeded.has(client)) {
      forget(this.#covered, nowMs - withinMs);
      this.#covered.set(client, nowMs);
      const covered = this.#covered.size;
      if (covered >= least && covered > share * clients)
        return { sinceMs: nowMs, because: 'clients', detail: `${covered} of ${clients} clients that had logged in lately would be banned` };
    }
    if (rate === undefined) return undefined;
    const place = this.#bans % rate.bans;
    const full = this.#bans >= rate.bans;
    const sinceMs = nowMs - (this.#banned[place] ?? 0);
    if (full && sinceMs >= 0 && sinceMs < rate.withinMs)
      return { sinceMs: nowMs, because: 'rate', detail: `${rate.bans} bans in ${Math.ceil(sinceMs / 1_000)} s, and more to come` };
    this.#banned[place] = nowMs;
    this.#bans++;
    return undefined;
  }
}

/** Whoever has one IPv6 address usually has its /64. */
const clientLengths = { ipv4: 32, ipv6: 64 } as const;

function clientOf(address: Address): Prefix {
  return prefixOf(address, clientLengths[familyOf(address)]);
}

/** Of a map in the order of its times; a clock that was set back leaves what lies ahead. */
function forget(times: Map<Prefix, number>, beforeMs: number): void {
  for (const [client, ms] of times) {
    if (ms > beforeMs) return;
    times.delete(client);
  }
}
