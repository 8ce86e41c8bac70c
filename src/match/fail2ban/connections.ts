/** What is known of a failure, or of a connection that may become one. */
export interface Joined {
  readonly groups: Map<string, string>;
  /** Distinct user names of the connection. */
  readonly users: Set<string>;
  /** Lines that led to the failure, and those that told of none by themselves and wait for one. */
  readonly loud: LineStore;
  readonly quiet: LineStore;
  /** A failure was seen whose offender is not known yet. */
  pending: boolean;
}

export interface ConnectionLimits {
  /** Connections kept; at the bound the oldest is forgotten. fail2ban keeps 100 and loses joins beyond them. */
  readonly count: number;
  /** How far apart two lines may be and still be joined, in ms. */
  readonly apartMs: number;
  /** Lines kept for a connection, and characters of each; at the bound the oldest are forgotten, and counted all the same. */
  readonly lines: number;
  readonly lineLength: number;
  /** Distinct users counted for a connection. */
  readonly users: number;
}

export const defaultConnectionLimits: ConnectionLimits = { count: 4_096, apartMs: 300_000, lines: 5, lineLength: 512, users: 50 };

/** The last of some lines, and how many there were. */
class LineStore {
  count = 0;
  kept: readonly string[] = [];
  private readonly limits: ConnectionLimits;

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
  }

  add(lines: readonly string[]): void {
    this.count += lines.length;
    this.kept = [...this.kept, ...lines.map((line) => line.slice(0, this.limits.lineLength))].slice(-this.limits.lines);
  }

  prepend({ count, kept }: LineStore): void {
    this.count += count;
    this.kept = [...kept, ...this.kept].slice(-this.limits.lines);
  }

  clear(): void {
    this.count = 0;
    this.kept = [];
  }
}

/**
 * Joins lines that name the same connection (`<F-MLFID>`): a line that tells of a failure and another that tells whose.
 *
 * Three groups steer it. `nofail`: this line alone is no failure. `mlfgained`: access was granted, so what was pending is dropped.
 * `mlfforget`: the connection ends. A connection with failures pending, or with more than one user, is not excused by the first two.
 */
export class Connections {
  /** Connections forgotten for room. */
  evicted = 0;
  private readonly limits: ConnectionLimits;
  private readonly known = new Map<string, { readonly joined: Joined; readonly atMs: number }>();

  constructor(limits: ConnectionLimits = defaultConnectionLimits) {
    this.limits = limits;
  }

  /**
   * @param groups of the line's match
   * @param lines that the match spans
   * @param atMs time of the line
   */
  join(id: string, groups: ReadonlyMap<string, string>, lines: readonly string[], atMs: number): Joined {
    const fresh = new Map(groups);
    const gained = has(fresh, 'mlfgained');
    if (gained && !has(fresh, 'nofail')) fresh.set('nofail', fresh.get('mlfgained') ?? '');
    let quiet = gained || has(fresh, 'nofail');
    const forget = has(fresh, 'mlfforget');
    fresh.delete('mlfforget');

    const joined = this.merge(id, fresh, { gained, forget, atMs });
    if (joined.pending || joined.users.size > 1) {
      joined.groups.delete('nofail');
      joined.groups.delete('mlfgained');
      quiet = false;
    }
    joined.pending = false;
    if (!quiet) {
      joined.loud.prepend(joined.quiet);
      joined.loud.add(lines);
      joined.quiet.clear();
    } else if (!forget) joined.quiet.add(lines);
    return joined;
  }

  private merge(
    id: string,
    fresh: Map<string, string>,
    { gained, forget, atMs }: { readonly gained: boolean; readonly forget: boolean; readonly atMs: number },
  ): Joined {
    const stored = this.recall(id, atMs);
    const user = fresh.get('user') ?? '';
    if (stored === undefined) {
      const joined: Joined = {
        groups: fresh,
        users: new Set(),
        loud: new LineStore(this.limits),
        quiet: new LineStore(this.limits),
        pending: false,
      };
      // Nobody asks for the users of a connection that is over.
      if (forget) return joined;
      if (user !== '') joined.users.add(user);
      this.keep(id, joined, atMs);
      return joined;
    }
    if (user !== '' && stored.users.size < this.limits.users) stored.users.add(user);
    const wasQuiet = has(stored.groups, 'nofail') || has(stored.groups, 'mlfgained');
    stored.groups.delete('nofail');
    stored.groups.delete('mlfgained');
    if (gained) stored.pending = false;
    // Lines of a failure that was reported are not reported again.
    if (!wasQuiet && !stored.pending) stored.loud.clear();
    for (const [name, value] of fresh) stored.groups.set(name, value);
    if (forget) this.known.delete(id);
    return stored;
  }

  private recall(id: string, atMs: number): Joined | undefined {
    const entry = this.known.get(id);
    if (entry === undefined) return undefined;
    // Records may come out of order: the distance counts, in either direction.
    if (Math.abs(atMs - entry.atMs) <= this.limits.apartMs) return entry.joined;
    this.known.delete(id);
    return undefined;
  }

  private keep(id: string, joined: Joined, atMs: number): void {
    if (this.known.size >= this.limits.count) {
      for (const oldest of this.known.keys()) {
        this.known.delete(oldest);
        this.evicted++;
        break;
      }
    }
    this.known.set(id, { joined, atMs });
  }
}

function has(groups: ReadonlyMap<string, string>, name: string): boolean {
  return (groups.get(name) ?? '') !== '';
}
