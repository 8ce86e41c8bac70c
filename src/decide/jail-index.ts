import type { Jail } from '../model/decision.ts';
import { portsKey } from './kernel-view.ts';

/** A jail with its number in the tables. A name keeps its number for as long as the process lives. */
export interface JailSlot {
  readonly lane: number;
  readonly jail: Jail;
  readonly portsKey: string;
  /** Whose earlier bans count beside its own; absent: none. */
  readonly otherLanes?: readonly number[];
}

/** Which jails a detection concerns. A value: changed jails are a new index. */
export class JailIndex {
  readonly slots: readonly JailSlot[];
  readonly #byName: ReadonlyMap<string, JailSlot>;
  readonly #byLane: readonly (JailSlot | undefined)[];
  readonly #byPorts: ReadonlyMap<string, readonly JailSlot[]>;
  /** filter -> pattern -> jails, filled as detections come: there are as many as rules have patterns. */
  readonly #byPattern = new Map<string, Map<string, readonly JailSlot[]>>();

  /** @param laneOf gives each name a number, the same one every time */
  constructor(jails: readonly Jail[], laneOf: (name: string) => number) {
    const slots = jails.map((jail) => ({ lane: laneOf(jail.name), jail, portsKey: portsKey(jail.ports) }));
    const lanes = slots.map(({ lane }) => lane);
    this.slots = slots.map((slot) =>
      slot.jail.bantime.overall === true ? { ...slot, otherLanes: lanes.filter((lane) => lane !== slot.lane) } : slot,
    );
    this.#byName = new Map(this.slots.map((slot) => [slot.jail.name, slot]));
    this.#byPorts = Map.groupBy(this.slots, (slot) => slot.portsKey);
    const byLane: (JailSlot | undefined)[] = [];
    for (const slot of this.slots) byLane[slot.lane] = slot;
    this.#byLane = byLane;
  }

  named(name: string): JailSlot | undefined {
    return this.#byName.get(name);
  }

  inLane(lane: number): JailSlot | undefined {
    return this.#byLane[lane];
  }

  withPorts(key: string): readonly JailSlot[] {
    return this.#byPorts.get(key) ?? [];
  }

  /** The jails that name the filter, or the pattern in it, in the order of the configuration. */
  of(filter: string, pattern: string): readonly JailSlot[] {
    let patterns = this.#byPattern.get(filter);
    if (patterns === undefined) {
      patterns = new Map();
      this.#byPattern.set(filter, patterns);
    }
    let slots = patterns.get(pattern);
    if (slots === undefined) {
      slots = this.slots.filter(({ jail }) => jail.filters.includes(filter) || jail.filters.includes(`${filter}/${pattern}`));
      patterns.set(pattern, slots);
    }
    return slots;
  }
}
