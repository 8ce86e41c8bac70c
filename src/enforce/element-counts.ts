import type { KernelChange } from '../model/decision.ts';
import { countBySet, type Layout } from './layout.ts';

/** How many elements each set should hold. */
export interface ElementCounts {
  /** As counted last. Begins to count anew if that takes less than 1 % of the time since. */
  readonly bySet: () => ReadonlyMap<string, number>;
  readonly stop: () => void;
}

/** Counted before others are served: some 10 ms. */
const piece = 20_000;

/** Up to `piece` elements are counted as they are when somebody asks; of more, he is told the last count while the next is under way. */
export function createElementCounts(layout: () => Layout, currentState: () => Iterable<KernelChange>): ElementCounts {
  let counted: ReadonlyMap<string, number> = new Map();
  let againAtMs = -Infinity;
  let busyMs = 0;
  let rest: Iterator<KernelChange> | undefined;
  let sums = new Map<string, number>();
  let immediate: NodeJS.Immediate | undefined;

  const count = (): void => {
    if (rest === undefined) return;
    const beganMs = performance.now();
    const taken: KernelChange[] = [];
    for (let next = rest.next(); ; next = rest.next()) {
      if (next.done === true) {
        rest = undefined;
        break;
      }
      if (taken.push(next.value) === piece) break;
    }
    for (const [set, elements] of countBySet(layout(), taken)) sums.set(set, (sums.get(set) ?? 0) + elements);
    const nowMs = performance.now();
    busyMs += nowMs - beganMs;
    if (rest !== undefined) {
      immediate = setImmediate(count);
      return;
    }
    counted = sums;
    againAtMs = nowMs + busyMs * 100;
  };

  return {
    bySet: () => {
      if (rest === undefined && performance.now() >= againAtMs) {
        rest = currentState()[Symbol.iterator]();
        sums = new Map();
        busyMs = 0;
        count();
      }
      return counted;
    },
    stop: () => clearImmediate(immediate),
  };
}
