import { Group } from './series.ts';

/** The numbers of one configured thing, and how they follow when its settings change at a reload. */
export interface Handle<S, M> {
  readonly metrics: M;
  readonly update: (settings: S) => void;
}

interface Entry<S, M> extends Handle<S, M> {
  readonly group: Group;
  readonly kind: string;
}

/** The handles of all sources, of all jails, ... by name; which of them are shown follows the configuration. */
export class Handles<S extends { readonly name: string; readonly kind?: string }, M> {
  readonly #make: (settings: S, group: Group, nowMs: number) => Handle<S, M>;
  #byName: ReadonlyMap<string, Entry<S, M>> = new Map();

  constructor(make: (settings: S, group: Group, nowMs: number) => Handle<S, M>) {
    this.#make = make;
  }

  configure(all: readonly S[], nowMs: number): void {
    const next = new Map<string, Entry<S, M>>();
    for (const settings of all) {
      if (next.has(settings.name)) continue;
      const old = this.#byName.get(settings.name);
      if (old !== undefined && old.kind === (settings.kind ?? '')) {
        old.update(settings);
        next.set(settings.name, old);
      } else {
        const group = new Group();
        next.set(settings.name, { ...this.#make(settings, group, nowMs), group, kind: settings.kind ?? '' });
      }
    }
    for (const [name, old] of this.#byName) if (next.get(name) !== old) old.group.remove();
    this.#byName = next;
  }

  get(name: string): M | undefined {
    return this.#byName.get(name)?.metrics;
  }

  /** For a name that is not configured: counts, and is shown nowhere. */
  detached(settings: S): M {
    const group = new Group();
    const { metrics } = this.#make(settings, group, 0);
    group.remove();
    return metrics;
  }
}
