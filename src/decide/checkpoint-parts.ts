import type { Prefix } from '../model/address.ts';
import type { Checkpoint, OpenWindow, PastBan, StoredState } from '../model/checkpoint.ts';
import type { Ban, Decision } from '../model/decision.ts';
import type { Allowlist } from './allowlist.ts';
import type { JailIndex } from './jail-index.ts';
import type { Ledger } from './ledger.ts';
import { laneOf, type SubjectKey, subjectOf } from './subject-key.ts';

interface Row {
  readonly jail: string;
  readonly subject: Prefix;
}

/** What of a ledger survives a restart, as plain data: all of it, what changed, and back again. */
export class CheckpointParts {
  readonly #ledger: Ledger;
  readonly #allowlist: Allowlist;
  /** Names and lanes, also of jails that are gone. */
  readonly #lanes: ReadonlyMap<string, number>;
  /** Rows of the store that a start could not use: they go with the next checkpoint. */
  #unusable: { readonly bans: readonly Row[]; readonly past: readonly Row[]; readonly windows: readonly Row[] } = {
    bans: [],
    past: [],
    windows: [],
  };

  constructor(ledger: Ledger, allowlist: Allowlist, lanes: ReadonlyMap<string, number>) {
    this.#ledger = ledger;
    this.#allowlist = allowlist;
    this.#lanes = lanes;
  }

  takeChanges(): Omit<Checkpoint, 'cursors'> {
    const rowOf = this.#rowReader();
    const bans: Checkpoint['bans'][number][] = this.#unusable.bans.map((row) => ({ ...row, ban: undefined }));
    const past: Checkpoint['past'][number][] = this.#unusable.past.map((row) => ({ ...row, past: undefined }));
    const windows: OpenWindow[] = this.#unusable.windows.map((row) => ({ ...row, failuresMs: [] }));
    this.#unusable = { bans: [], past: [], windows: [] };
    this.#ledger.book.takeChanges((key, ban) => bans.push({ ...rowOf(key), ban }));
    this.#ledger.history.takeChanges((key, ended) => {
      const row = rowOf(key);
      past.push({ ...row, past: ended === undefined ? undefined : { ...row, ...ended } });
    });
    this.#ledger.windows.takeChanges((key, failuresMs) => {
      const { jail, subject } = rowOf(key);
      windows.push({ jail, subject, failuresMs });
    });
    return { bans, past, windows, allow: this.#allowlist.takeChanges() };
  }

  snapshot(): Omit<StoredState, 'cursors'> {
    const rowOf = this.#rowReader();
    const past: PastBan[] = [];
    const windows: OpenWindow[] = [];
    const bans: Ban[] = [];
    for (const { ban } of this.#ledger.book.all()) bans.push(ban);
    this.#ledger.history.forEach((key, ended) => past.push({ ...rowOf(key), ...ended }));
    this.#ledger.windows.forEach((key, failuresMs) => windows.push({ ...rowOf(key), failuresMs }));
    return { bans, past, windows, allow: this.#allowlist.entries() };
  }

  /** Into an empty ledger, `bansAtOnce` at each step. Bans take over whether their jail observes now. */
  *restoring(
    { bans, past, windows }: Omit<StoredState, 'cursors'>,
    { nowMs, index, bansAtOnce }: { readonly nowMs: number; readonly index: JailIndex; readonly bansAtOnce: number },
    out: Decision[],
  ): Generator<void, void, void> {
    const unusable = { bans: [] as Row[], past: [] as Row[], windows: [] as Row[] };
    for (const { jail, subject, count, endedMs } of past) {
      const slot = index.named(jail);
      if (slot === undefined) unusable.past.push({ jail, subject });
      else this.#ledger.history.put(this.#ledger.keyOf(slot.lane, subject), { count, endedMs }, true);
    }
    this.#ledger.book.reserve(bans.length);
    for (const [number, ban] of bans.entries()) {
      if (number % bansAtOnce === 0) yield;
      const { jail, subject } = ban;
      const slot = index.named(jail);
      if (slot === undefined) {
        unusable.bans.push({ jail, subject });
        out.push({ kind: 'unban', jail, subject, because: 'jail_removed', ban });
      } else this.#ledger.enter(slot.lane, observes(ban, slot.jail.observe), undefined, nowMs, out, true);
    }
    for (const { jail, subject, failuresMs } of windows) {
      const slot = index.named(jail);
      const key = slot === undefined ? undefined : this.#ledger.keyOf(slot.lane, subject);
      // Beside a ban there is no window: the store missed that it went.
      if (key === undefined || this.#ledger.book.get(key) !== undefined || !this.#ledger.windows.restore(key, failuresMs, nowMs))
        unusable.windows.push({ jail, subject });
    }
    this.#unusable = unusable;
  }

  #rowReader(): (key: SubjectKey) => Row {
    const names = new Map([...this.#lanes].map(([name, lane]) => [lane, name]));
    return (key) => ({ jail: names.get(laneOf(key)) ?? '', subject: subjectOf(key) });
  }
}

function observes(ban: Ban, observe: boolean): Ban {
  return ban.observe === observe ? ban : { ...ban, observe };
}
