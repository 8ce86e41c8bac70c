import type { Checkpoint, StoredCursor } from '../model/checkpoint.ts';
import type { LogRecord } from '../model/record.ts';
import type { Store } from '../store/store.ts';

/**
 * Decides when what changed is written: at most every `everyMs`, and at once (together with whatever else is decided in the same turn of
 * the loop) after a ban, in a flood of bans `apartMs` after the last time. A position is stored in the same transaction as what its records led to, so that after a kill no record
 * counts twice and none is missed.
 *
 * Many rows are written a piece at a time, still as one transaction; what changes meanwhile waits for the next.
 */
export interface Checkpointer {
  /** The record is wholly handled; its position may be stored. */
  readonly handled: (record: LogRecord) => void;
  /** Bans changed: write soon, not in `everyMs`. */
  readonly soon: () => void;
  /** Resolves when everything so far is stored, or is known not to be. @returns what went wrong; undefined if it is stored */
  readonly stored: () => Promise<string | undefined>;
  /** Rows of the table that has most of them which wait because they could not be written, and how many may; beyond, the oldest are given up. */
  readonly waiting: () => { readonly rows: number; readonly most: number; readonly givenUp: number };
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
/** What is written before others are served: some 4 ms. */
const rowsAtOnce = 1_000;
/** A commit takes a millisecond or two, however few rows it has: in a flood the bans of so many ms share one. */
const apartMs = 100;

export function createCheckpointer({ store, changes, everyMs, cursors, failed }: CheckpointerDeps): Checkpointer {
  const positions = new Map(cursors.map((cursor) => [keyOf(cursor), cursor]));
  const moved = new Set<string>();
  const last = new Map<string, Latest>();
  /** Records come in runs of one file: its entry is looked up once in a run. */
  let latest: Latest | undefined;
  let committedMs = -apartMs;
  let hurried = false;
  let waiting: Checkpoint | undefined;
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let trouble: string | undefined;
  let waiters: Tell[] = [];
  let running: { readonly steps: Iterator<void, void, void>; readonly rows: Checkpoint; readonly told: readonly Tell[] } | undefined;
  let stepping: NodeJS.Immediate | undefined;
  let givenUp = 0;
  /** Asked for while one was on its way. */
  let again = false;

  const commit = (): void => {
    clearTimeout(timer);
    clearImmediate(immediate);
    timer = undefined;
    immediate = undefined;
    hurried = false;
    if (running !== undefined) {
      again = true;
      return;
    }
    for (const [key, { record }] of last) {
      const cursor = cursorOf(record);
      if (cursor !== undefined) {
        positions.set(key, cursor);
        moved.add(key);
      }
    }
    last.clear();
    latest = undefined;
    const checkpoint: Checkpoint = { ...changes(), cursors: [...moved].flatMap((key) => positions.get(key) ?? []) };
    moved.clear();
    const rows = waiting === undefined ? checkpoint : joined(waiting, checkpoint);
    running = { steps: store.committing(rows, rowsAtOnce), rows, told: waiters };
    waiters = [];
    step();
  };

  /** @returns whether there is more to be written */
  const step = (): boolean => {
    if (running === undefined) return false;
    let why: string | undefined;
    try {
      if (running.steps.next().done !== true) {
        stepping = setImmediate(step);
        return true;
      }
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    const { rows, told } = running;
    running = undefined;
    waiting = why === undefined ? undefined : bounded(rows);
    if (waiting !== undefined) givenUp += rowsOf(rows) - rowsOf(waiting);
    committedMs = performance.now();
    const before = trouble;
    trouble = why;
    if ((trouble === undefined) !== (before === undefined)) failed(trouble);
    for (const tell of told) tell(trouble);
    if (trouble !== undefined) timer ??= setTimeout(commit, retryMs);
    if (again) immediate ??= setImmediate(commit);
    again = false;
    return false;
  };

  const finish = (): void => {
    while (step()) clearImmediate(stepping);
  };

  return {
    handled: (record) => {
      timer ??= setTimeout(commit, everyMs);
      // Nothing to go back to; what it led to is to be stored all the same.
      if (record.origin.kind === 'syslog') return;
      if (latest !== undefined && samePlace(latest.record, record)) latest.record = record;
      else {
        latest = { record };
        last.set(`${record.source} ${record.origin.kind === 'file' ? record.origin.path : ''}`, latest);
      }
    },
    soon: () => {
      if (immediate !== undefined || hurried) return;
      const waitMs = committedMs + apartMs - performance.now();
      if (waitMs <= 0) {
        immediate = setImmediate(commit);
        return;
      }
      hurried = true;
      clearTimeout(timer);
      timer = setTimeout(commit, waitMs);
    },
    stored: () =>
      new Promise((resolve) => {
        waiters.push(resolve);
        immediate ??= setImmediate(commit);
      }),
    waiting: () => ({ rows: waiting === undefined ? 0 : mostRows(waiting), most: maxWaitingRows, givenUp }),
    cursors: (source) => {
      for (const [key, { record }] of last) {
        const cursor = cursorOf(record);
        if (record.source === source && cursor !== undefined) positions.set(key, cursor);
      }
      return [...positions.values()].filter((cursor) => cursor.source === source);
    },
    stop: () => {
      finish();
      commit();
      finish();
      clearTimeout(timer);
      clearImmediate(immediate);
      return trouble;
    },
  };
}

type Tell = (why: string | undefined) => void;

/** The last record of one file, or of the journal. */
interface Latest {
  record: LogRecord;
}

function samePlace({ source, origin }: LogRecord, other: LogRecord): boolean {
  if (source !== other.source || origin.kind !== other.origin.kind) return false;
  return origin.kind !== 'file' || (other.origin.kind === 'file' && origin.path === other.origin.path);
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

function tables({ bans, past, windows, allow, cursors }: Checkpoint): readonly (readonly unknown[])[] {
  return [bans, past, windows, allow, cursors];
}

function rowsOf(checkpoint: Checkpoint): number {
  return tables(checkpoint).reduce((sum, rows) => sum + rows.length, 0);
}

function mostRows(checkpoint: Checkpoint): number {
  return Math.max(...tables(checkpoint).map((rows) => rows.length));
}

function bounded(checkpoint: Checkpoint): Checkpoint {
  const last = <T>(rows: readonly T[]): readonly T[] => (rows.length > maxWaitingRows ? rows.slice(-maxWaitingRows) : rows);
  const { bans, past, windows, allow, cursors } = checkpoint;
  return { bans: last(bans), past: last(past), windows: last(windows), allow: last(allow), cursors: last(cursors) };
}
