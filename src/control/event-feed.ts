import type { DaemonEvent, EventSource } from './event.ts';

/** Where the daemon puts what happens. */
export interface EventFeed extends EventSource {
  readonly publish: (event: DaemonEvent) => void;
  /** What comes by the thousand in an attack and is read by nobody: made when somebody asks, at once if somebody listens. */
  readonly publishLater: (often: Often, make: () => DaemonEvent) => void;
}

/** Which ring an event goes to: failures and what is ignored, or all others. */
export type Often = 'frequent' | 'rare';

/**
 * Keeps the last events and passes each on to who listens.
 *
 * Failures and what is ignored come by the thousand in an attack, bans and faults do not: the two have a ring each, so that a flood
 * does not push out what it led to.
 *
 * @param capacity how many events each of the two rings holds
 */
export function createEventFeed(capacity: number): EventFeed {
  const frequent = createRing(capacity);
  const rare = createRing(capacity);
  const listeners = new Set<(event: DaemonEvent) => void>();
  let published = 0;
  const put = (ring: Ring, event: DaemonEvent): void => {
    published++;
    ring.push({ number: published, event });
    for (const listener of listeners) listener(event);
  };
  return {
    publish: (event) => put(event.kind === 'failure' || event.kind === 'ignored' ? frequent : rare, event),
    publishLater: (often, make) => {
      const ring = often === 'frequent' ? frequent : rare;
      if (listeners.size > 0) put(ring, make());
      else ring.push({ number: ++published, event: make });
    },
    recent: (count) => {
      const both = [...frequent.items(), ...rare.items()].toSorted((a, b) => a.number - b.number);
      return count <= 0 ? [] : both.slice(-count).map(({ event }) => (typeof event === 'function' ? event() : event));
    },
    subscribe: (listener) => {
      // A function of our own, so that the same listener given twice is two subscriptions and each ends its own.
      const own = (event: DaemonEvent) => listener(event);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
  };
}

interface Numbered {
  readonly number: number;
  readonly event: DaemonEvent | (() => DaemonEvent);
}

interface Ring {
  readonly push: (item: Numbered) => void;
  readonly items: () => Iterable<Numbered>;
}

function createRing(capacity: number): Ring {
  const slots: Numbered[] = [];
  let next = 0;
  return {
    push: (item) => {
      slots[next] = item;
      next = (next + 1) % capacity;
    },
    items: () => slots,
  };
}
