/** Packets that a set's drop rule has stopped. */
export interface DropCount {
  readonly packets: number;
  readonly bytes: number;
}

export interface DropCounts {
  /** What the kernel's counters say now. */
  readonly take: (counters: ReadonlyMap<string, DropCount>) => void;
  readonly totals: () => ReadonlyMap<string, DropCount>;
}

/** Totals since the start of the process. The kernel's counters begin at 0 when somebody removes our table; these go on. */
export function createDropCounts(): DropCounts {
  const totals = new Map<string, DropCount>();
  let last: ReadonlyMap<string, DropCount> = new Map();
  return {
    take: (counters) => {
      for (const [name, now] of counters) {
        const before = last.get(name);
        const begun = before === undefined || now.packets < before.packets ? { packets: 0, bytes: 0 } : before;
        const total = totals.get(name) ?? { packets: 0, bytes: 0 };
        totals.set(name, { packets: total.packets + now.packets - begun.packets, bytes: total.bytes + now.bytes - begun.bytes });
      }
      last = counters;
    },
    totals: () => totals,
  };
}
