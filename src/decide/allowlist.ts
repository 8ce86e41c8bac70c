import { formatSubject, type Prefix } from '../model/address.ts';
import type { AllowEntry } from '../model/checkpoint.ts';
import type { Protection } from '../model/protection.ts';

/** What people allowed by hand (`allow ADDRESS --for 1d`), beside the configuration's list. */
export class Allowlist {
  readonly #untilMs = new Map<Prefix, number>();
  readonly #changed = new Set<Prefix>();

  /** A later entry for the same prefix replaces the earlier. */
  add({ prefix, untilMs }: AllowEntry): void {
    this.#untilMs.set(prefix, untilMs);
    this.#changed.add(prefix);
  }

  /** @returns whether it was there. */
  remove(prefix: Prefix): boolean {
    if (!this.#untilMs.delete(prefix)) return false;
    this.#changed.add(prefix);
    return true;
  }

  /** Puts back what the store has. */
  restore(entries: readonly AllowEntry[]): void {
    for (const { prefix, untilMs } of entries) this.#untilMs.set(prefix, untilMs);
  }

  /** @returns whether anything ended. */
  expire(nowMs: number): boolean {
    let ended = false;
    for (const [prefix, untilMs] of this.#untilMs) if (untilMs <= nowMs) ended = this.remove(prefix) || ended;
    return ended;
  }

  entries(): readonly AllowEntry[] {
    return [...this.#untilMs].map(([prefix, untilMs]) => ({ prefix, untilMs }));
  }

  protections(): readonly Protection[] {
    return [...this.#untilMs.keys()].map((prefix) => ({
      prefix,
      reason: 'allowlist',
      detail: `allowed by hand, ${formatSubject(prefix)}`,
    }));
  }

  /** Every entry that changed since the last call; undefined: it is gone. */
  takeChanges(): readonly { readonly prefix: Prefix; readonly untilMs: number | undefined }[] {
    const changes = [...this.#changed].map((prefix) => ({ prefix, untilMs: this.#untilMs.get(prefix) }));
    this.#changed.clear();
    return changes;
  }
}
