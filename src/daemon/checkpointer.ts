import type { Checkpoint, StoredCursor } from '../model/checkpoint.ts';
import type { LogRecord } from '../model/record.ts';
import type { Store } from '../store/store.ts';

/**
 * Decides when what changed is written: at most every `everyMs`, and at once (together with whatever else is decided in the same turn of
 * the loop) after a ban. A position is stored in the same transaction as what its records led to, so that after a kill no record
 * counts twice and none is missed.
 */
export interface Checkpointer {
  /** The record is wholly handled; its position may be stored. */
  readonly handled: (record: LogRecord) => void;
  /** Bans changed: write soon, not in 200 ms. */
  readonly soon: () => void;
  /** Resolves when everything so far is stored, or is known not to be. @returns what went wrong; undefined if it is stored */
  readonly stored: () => Promise<string | undefined>;
  /** Where a source has got to, for opening it again. */
  readonly cursors: (source: string) => readonly StoredCursor[];
  /** Writes what is left, and ends the timer. */
  readonly stop: () => string | undefined;
}

export interface CheckpointerDeps {
  readonly store: Store;
  /** What changed since the last call, for one transaction. */
  readonly changes: () => Omit<Checkpoint, 'cursors'>;
  readonly everyMs: number;
  readonly cursors: readonly StoredCursor[];
  /** Said on the first failure and on the first success after one. */
  readonly failed: (why: string | undefined) => void;
}

/** Rows that wait while the disk is full. Beyond that the oldest are given up: after a restart they are not known. */
const maxWaitingRows = 1_000_000;

export function createCheckpointer({ store, changes, everyMs, cursors, failed }: CheckpointerDeps): Checkpointer {
  const positions = new Map(cursors.map((cursor) => [keyOf(cursor), cursor]));
  const moved = new Set<string>();
  const last = new Map<string, LogRecord>();
  let waiting: Checkpoint | undefined;
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let trouble: string | undefined;
  let waiters: ((why: string | undefined) => void)[] = [];

  const commit = (): string | undefined => {
    clearTimeout(timer);
    clearImmediate(immediate);
    timer = undefined;
    immediate = undefined;
    for (const [key, record] of last) {
      const cursor = cursorOf(record);
      if (cursor !== undefined) {
        positions.set(key, cursor);
        moved.add(key);
      }
    }
    last.clear();
    const checkpoint: Checkpoint = { ...changes(), cursors: [...moved].flatMap((key) => positions.get(key) ?? []) };
    moved.clear();
    const all = waiting === undefined ? checkpoint : joined(waiting, checkpoint);
    const before = trouble;
    try {
      store.commit(all);
      waiting = undefined;
      trouble = undefined;
    } catch (error) {
      waiting = bounded(all);
      trouble = error instanceof Error ? error.message : String(error);
      timer = setTimeout(commit, retryMs);
    }
    if ((trouble === undefined) !== (before === undefined)) failed(trouble);
    const told = waiters;
    waiters = [];
    for (const tell of told) tell(trouble);
    return trouble;
  };

  return {
    handled: (record) => {
      if (record.origin.kind === 'syslog') return;
      last.set(`${record.source} ${record.origin.kind === 'file' ? record.origin.path : ''}`, record);
      timer ??= setTimeout(commit, everyMs);
    },
    soon: () => {
      immediate ??= setImmediate(commit);
    },
    stored: () =>
      new Promise((resolve) => {
        waiters.push(resolve);
        immediate ??= setImmediate(commit);
      }),
    cursors: (source) => {
      for (const [key, record] of last) {
        const cursor = cursorOf(record);
        if (record.source === source && cursor !== undefined) positions.set(key, cursor);
      }
      return [...positions.values()].filter((cursor) => cursor.source === source);
    },
    stop: () => {
      const why = commit();
      clearTimeout(timer);
      return why;
    },
  };
}

/** Without space on the disk there is no hurry. */
const retryMs = 5_000;

function keyOf({ source, key }: StoredCursor): string {
  return `${source} ${key}`;
}

function cursorOf({ source, origin }: LogRecord): StoredCursor | undefined {
  switch (origin.kind) {
    case 'journal':
      return { source, key: '', cursor: { kind: 'journal', cursor: origin.cursor, realtimeMs: origin.realtimeMs } };
    case 'file': {
      const { path, inode, offsetBytes, head } = origin;
      return { source, key: path, cursor: { kind: 'file', path, inode, offsetBytes, head } };
    }
    case 'syslog':
      return undefined; // nothing to go back to
  }
}

/** Later rows are written after earlier ones, so they win. */
function joined(first: Checkpoint, second: Checkpoint): Checkpoint {
  return {
    bans: [...first.bans, ...second.bans],
    past: [...first.past, ...second.past],
    windows: [...first.windows, ...second.windows],
    allow: [...first.allow, ...second.allow],
    cursors: [...first.cursors, ...second.cursors],
  };
}

function bounded(checkpoint: Checkpoint): Checkpoint {
  const last = <T>(rows: readonly T[]): readonly T[] => (rows.length > maxWaitingRows ? rows.slice(-maxWaitingRows) : rows);
  const { bans, past, windows, allow, cursors } = checkpoint;
  return { bans: last(bans), past: last(past), windows: last(windows), allow: last(allow), cursors: last(cursors) };
}
