import type { Prefix } from '../model/address.ts';
import type { KernelChange } from '../model/decision.ts';
import type { Ports } from '../model/filter.ts';

/** The same text for the same list of ports, in whatever order it was written. */
export function portsKey(ports: Ports): string {
  return ports.kind === 'all' ? 'all' : `${ports.protocol} ${[...new Set(ports.ports)].toSorted((a, b) => a - b).join(',')}`;
}

/** How long after its end an element is taken to exist still: nft runs later than we decide, and clocks are set. */
const graceMs = 10 * 60_000;

/** Of an element that somebody else made: neither over nor equal to any end, so that the next `take` renews or removes it. */
const unknownEnd = NaN;

interface Told {
  readonly ports: Ports;
  /** The latest end that was told, per subject; it stays for `graceMs` beyond that. */
  readonly untilMs: Map<Prefix, number>;
  /** Hardly ever the same one twice; a second look finds nothing to tell. A Set is made anew by each `clear`. */
  readonly touched: Prefix[];
}

/**
 * What the kernel was told, and so what must be told when bans change: one element for (list of ports, subject), until the latest end of
 * all jails with that list.
 *
 * Changes between two calls of `take` come out as one: a ban that was lifted again at once is not told at all. An element that ends on
 * time is not removed: the kernel's own timeout does that.
 */
export class KernelView {
  readonly #lists = new Map<string, Told>();
  /** Ends that were told, in the order in which they may be forgotten, roughly: checked again when their time comes. */
  readonly #ended: { readonly key: string; readonly subject: Prefix; readonly forgetMs: number }[] = [];
  #endedFirst = 0;
  readonly #latestUntilMs: (portsKey: string, subject: Prefix) => number | undefined;

  /** @param latestUntilMs the latest end of the real bans of the subject by jails with these ports; undefined: there is none */
  constructor(latestUntilMs: (portsKey: string, subject: Prefix) => number | undefined) {
    this.#latestUntilMs = latestUntilMs;
  }

  /** The bans of a subject by jails with these ports are not what they were. */
  touch(key: string, ports: Ports, subject: Prefix): void {
    let list = this.#lists.get(key);
    if (list === undefined) {
      list = { ports, untilMs: new Map(), touched: [] };
      this.#lists.set(key, list);
    }
    if (list.touched.at(-1) !== subject) list.touched.push(subject);
  }

  /** What the kernel must be told now. Whatever is handed out counts as told: heal from `all` if it did not arrive. */
  take(nowMs: number): KernelChange[] {
    const changes: KernelChange[] = [];
    for (const [key, { ports, untilMs, touched }] of this.#lists) {
      for (const subject of touched) {
        const told = untilMs.get(subject);
        const wanted = this.#latestUntilMs(key, subject);
        if (wanted !== undefined && wanted > nowMs) {
          if (wanted === told) continue;
          untilMs.set(subject, wanted);
          changes.push({ kind: 'put', ports, subject, untilMs: wanted, mayExist: told !== undefined });
        } else if (told !== undefined && !(told <= nowMs)) {
          untilMs.delete(subject);
          changes.push({ kind: 'remove', ports, subject });
        } else if (told !== undefined) this.#ended.push({ key, subject, forgetMs: nowMs + graceMs });
      }
      touched.length = 0;
    }
    this.#forgetEnded(nowMs);
    return changes;
  }

  /** An element is there, or may be, that this process did not ask for: bans from before a restart. */
  assume(key: string, ports: Ports, subject: Prefix): void {
    this.touch(key, ports, subject);
    this.#lists.get(key)?.untilMs.set(subject, unknownEnd);
  }

  #forgetEnded(nowMs: number): void {
    for (let first = this.#ended[this.#endedFirst]; first !== undefined && first.forgetMs <= nowMs; first = this.#ended[this.#endedFirst]) {
      this.#endedFirst++;
      const list = this.#lists.get(first.key);
      const told = list?.untilMs.get(first.subject);
      // Put again meanwhile? Then it will be listed again when that ends.
      if (list === undefined || told === undefined || told > nowMs) continue;
      list.untilMs.delete(first.subject);
    }
    if (this.#endedFirst > 1_000 && this.#endedFirst * 2 > this.#ended.length) {
      this.#ended.splice(0, this.#endedFirst);
      this.#endedFirst = 0;
    }
  }
}
