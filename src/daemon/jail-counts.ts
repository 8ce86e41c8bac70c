import type { Decision, IgnoreReason } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';

interface JailCount {
  matches: number;
  failures: number;
  bans: number;
  restored: number;
  readonly ignored: Partial<Record<IgnoreReason, number>>;
}

/** Counted since the start, jail by jail, for people; Prometheus has the same numbers from the same events. */
export class JailCounts {
  readonly #jails = new Map<string, JailCount>();
  /** By filter, then by pattern: a joined name would be a new string for each match. */
  readonly #patterns = new Map<string, Map<string, number>>();

  matched({ filter, pattern }: Detection): void {
    let counts = this.#patterns.get(filter);
    if (counts === undefined) {
      counts = new Map();
      this.#patterns.set(filter, counts);
    }
    counts.set(pattern, (counts.get(pattern) ?? 0) + 1);
  }

  decided(decision: Decision): void {
    const counts = this.of(decision.jail);
    switch (decision.kind) {
      case 'watch':
        counts.failures++;
        break;
      case 'ban':
        counts.failures += decision.ban.origin === 'jail' ? 1 : 0;
        counts.bans++;
        break;
      case 'ignore':
        counts.ignored[decision.because] = (counts.ignored[decision.because] ?? 0) + 1;
        break;
      case 'unban':
        return;
    }
    if (decision.kind !== 'ban' || decision.ban.origin === 'jail') counts.matches++;
  }

  /** A ban came back from the store at start. */
  restored(jail: string): void {
    this.of(jail).restored++;
  }

  of(jail: string): JailCount {
    let counts = this.#jails.get(jail);
    if (counts === undefined) {
      counts = { matches: 0, failures: 0, bans: 0, restored: 0, ignored: {} };
      this.#jails.set(jail, counts);
    }
    return counts;
  }

  ofPattern(filter: string, pattern: string): number {
    return this.#patterns.get(filter)?.get(pattern) ?? 0;
  }
}
