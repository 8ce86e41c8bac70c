import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { parsePrefix, type Prefix } from '../model/address.ts';
import type { AllowEntry, Checkpoint, OpenWindow, PastBan, StoredCursor, StoredState } from '../model/checkpoint.ts';
import type { Ban, BanOrigin } from '../model/decision.ts';
import { migrate, NewerSchemaError } from './schema.ts';

/** What survives a restart, in one SQLite file. A kill at any moment leaves the last commit whole (WAL). */
export interface Store {
  /** Where it is kept; `:memory:` if the file could not be used. */
  readonly path: string;
  /** What went wrong on opening, for the log; undefined if all is well. */
  readonly trouble: string | undefined;
  readonly load: () => StoredState;
  /**
   * One transaction, `rowsAtOnce` rows at each step, so that others are served in between; a thousand rows take about 4 ms. It is there
   * when the iterator is done, and nothing else may be committed before that.
   *
   * @throws {Error} disk full, read-only, corrupt; or somebody removed or replaced the file while it was open, which SQLite itself does not
   * notice. A file that was removed is made again, with all that it held. Nothing of the checkpoint is kept then: give it again later.
   */
  readonly committing: (checkpoint: Checkpoint, rowsAtOnce: number) => Iterator<void, void, void>;
  /** The same without a pause. */
  readonly commit: (checkpoint: Checkpoint) => void;
  readonly sizeBytes: () => number;
  readonly close: () => void;
}

/**
 * Opens the database, or makes it. A file that is no database, or is damaged, is kept aside as `NAME.corrupt-TIME` and a new one
 * is begun; a file that cannot be written leads to a store in memory. Both are said in `trouble`: bans go on either way.
 */
export function openStore(path: string, nowMs: number): Store {
  if (path === ':memory:') return wrap(open(path), path, undefined);
  try {
    makeFolder(dirname(path));
    return wrap(open(path), path, undefined);
  } catch (error) {
    if (isDamaged(error)) {
      const aside = `${path}.corrupt-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
      try {
        renameSync(path, aside);
        for (const suffix of ['-wal', '-shm']) rename(path + suffix, aside + suffix);
        return wrap(
          open(path),
          path,
          `${path} is damaged (${message(error)}): kept as ${aside}, started afresh; bans in the kernel stay until they time out`,
        );
      } catch (second) {
        return inMemory(path, second);
      }
    }
    return inMemory(path, error);
  }
}

/** Not mkdir's own `recursive`: below /proc, and wherever a folder that exists says ENOENT to mkdir, that one never comes back (Node 24). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o750 });
}

function inMemory(path: string, cause: unknown): Store {
  const trouble = `cannot use ${path} (${message(cause)}): bans, windows and positions are kept in memory only and are gone after a restart; check its permissions and the space on the disk, then restart`;
  return wrap(open(':memory:'), ':memory:', trouble);
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // A database that was closed cleanly has no such file.
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    // The owner alone and its group: subjects are personal data.
    if (path !== ':memory:') chmodSync(path, 0o640);
    // NORMAL: a killed process loses nothing; a power cut may lose the last commits but never damages the file.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000; PRAGMA journal_size_limit = 67108864',
    );
    migrate(database);
    // Finds a damaged page at start, while there is still a choice. Bounded: it stops at the first finding.
    const check = database.prepare('PRAGMA quick_check(1)').get();
    const found = check?.['quick_check'];
    if (found !== 'ok') throw new DamagedError(String(found));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class DamagedError extends Error {}

/** SQLITE_CORRUPT 11, SQLITE_NOTADB 26 (sqlite3 result codes); SQLITE_ERROR 1 is what a foreign schema gives. */
function isDamaged(error: unknown): boolean {
  if (error instanceof DamagedError) return true;
  if (error instanceof NewerSchemaError) return false;
  const code = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === 11 || code === 26 || code === 1;
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
}

const sql = {
  putBan: 'INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?, ?, ?)',
  dropBan: 'DELETE FROM bans WHERE jail = ? AND subject = ?',
  putPast: 'INSERT OR REPLACE INTO past_bans VALUES (?, ?, ?, ?)',
  dropPast: 'DELETE FROM past_bans WHERE jail = ? AND subject = ?',
  putWindow: 'INSERT OR REPLACE INTO windows VALUES (?, ?, ?)',
  dropWindow: 'DELETE FROM windows WHERE jail = ? AND subject = ?',
  putAllow: 'INSERT OR REPLACE INTO allow VALUES (?, ?)',
  dropAllow: 'DELETE FROM allow WHERE prefix = ?',
  putCursor: 'INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
} as const;

type Statements = Record<keyof typeof sql, StatementSync>;

function prepared(database: DatabaseSync): Statements {
  return Object.fromEntries(Object.entries(sql).map(([name, text]) => [name, database.prepare(text)])) as Statements;
}

function wrap(first: DatabaseSync, path: string, trouble: string | undefined): Store {
  let database = first;
  let statements = prepared(database);
  let opened = inodeOf(path);
  const makeAgain = (): void => {
    makeFolder(dirname(path));
    const copy = `${path}.again`;
    rmSync(copy, { force: true });
    database.prepare('VACUUM INTO ?').run(copy);
    database.close();
    // What SQLite finds there it would take for the new file's own.
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    renameSync(copy, path);
    database = open(path);
    statements = prepared(database);
    opened = inodeOf(path);
  };
  function* committing(checkpoint: Checkpoint, rowsAtOnce: number): Generator<void, void, void> {
    const found = inodeOf(path);
    if (found !== opened) {
      if (found !== undefined) throw new Error('another file was put in its place while it was open: restart to use that one');
      makeAgain();
      throw new Error('it was removed while it was open, and has been made again');
    }
    database.exec('BEGIN IMMEDIATE');
    try {
      let left = rowsAtOnce;
      for (const writeRow of rows(statements, checkpoint)) {
        if (left === 0) {
          yield;
          left = rowsAtOnce;
        }
        writeRow();
        left--;
      }
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
  return {
    path,
    trouble,
    load: () => load(database),
    committing,
    commit: (checkpoint) => void committing(checkpoint, Infinity).next(),
    sizeBytes: () => (path === ':memory:' ? 0 : size(path) + size(`${path}-wal`)),
    close: () => database.close(),
  };
}

/** What writes each row. */
function* rows(put: Statements, { bans, past, windows, allow, cursors }: Checkpoint): Generator<() => unknown, void, void> {
  for (const { jail, subject, ban } of bans) {
    if (ban === undefined) yield () => put.dropBan.run(jail, subject);
    else yield () => put.putBan.run(jail, subject, ban.sinceMs, finite(ban.untilMs), ban.count, ban.origin, ban.observe ? 1 : 0);
  }
  for (const { jail, subject, past: ended } of past) {
    if (ended === undefined) yield () => put.dropPast.run(jail, subject);
    else yield () => put.putPast.run(jail, subject, ended.count, ended.endedMs);
  }
  for (const { jail, subject, failuresMs } of windows) {
    if (failuresMs.length === 0) yield () => put.dropWindow.run(jail, subject);
    else yield () => put.putWindow.run(jail, subject, new Uint8Array(Float64Array.from(failuresMs).buffer));
  }
  for (const { prefix, untilMs } of allow) {
    if (untilMs === undefined) yield () => put.dropAllow.run(prefix);
    else yield () => put.putAllow.run(prefix, finite(untilMs));
  }
  for (const { source, key, cursor } of cursors) {
    if (cursor.kind === 'journal')
      yield () => put.putCursor.run(source, key, 'journal', cursor.cursor, cursor.realtimeMs, null, null, null);
    else yield () => put.putCursor.run(source, key, 'file', null, null, String(cursor.inode), cursor.offsetBytes, cursor.head);
  }
}

function load(database: DatabaseSync): StoredState {
  const bans: Ban[] = [];
  const names = new Map<string, string>();
  for (const [name, text, since, until, count, from, observe] of rowsOf(
    database,
    'jail, subject, since_ms, until_ms, count, origin, observe',
    'bans',
  )) {
    const subject = subjectOf(text);
    if (subject === undefined) continue;
    const jail = once(names, String(name));
    bans.push({
      jail,
      subject,
      sinceMs: Number(since),
      untilMs: infinite(until),
      count: Number(count),
      origin: origin(from),
      observe: observe === 1,
    });
  }
  const past: PastBan[] = [];
  for (const [jail, text, count, ended] of rowsOf(database, 'jail, subject, count, ended_ms', 'past_bans')) {
    const subject = subjectOf(text);
    if (subject !== undefined) past.push({ jail: String(jail), subject, count: Number(count), endedMs: Number(ended) });
  }
  const windows: OpenWindow[] = [];
  for (const [jail, text, failures] of rowsOf(database, 'jail, subject, failures', 'windows')) {
    const subject = subjectOf(text);
    if (subject !== undefined) windows.push({ jail: String(jail), subject, failuresMs: doubles(failures) });
  }
  const allow: AllowEntry[] = [];
  for (const [text, until] of rowsOf(database, 'prefix, until_ms', 'allow')) {
    const prefix = subjectOf(text);
    if (prefix !== undefined) allow.push({ prefix, untilMs: infinite(until) });
  }
  return { bans, past, windows, allow, cursors: database.prepare('SELECT * FROM cursors').all().map(cursor) };
}

/** As arrays: objects with a name for each value take half as long again. */
function rowsOf(database: DatabaseSync, columns: string, table: string): readonly (readonly SQLOutputValue[])[] {
  const statement = database.prepare(`SELECT ${columns} FROM ${table}`);
  statement.setReturnArrays(true);
  // Arrays, as was just asked for; the declaration of all() knows objects alone.
  return statement.all() as readonly unknown[] as readonly (readonly SQLOutputValue[])[];
}

/** The same text for equal ones: each row brings one of its own, and bans keep theirs. */
function once(known: Map<string, string>, text: string): string {
  const first = known.get(text);
  if (first !== undefined) return first;
  known.set(text, text);
  return text;
}

/** A row whose address does not parse was not written by us: leave it out instead of banning what it might mean. */
function subjectOf(text: SQLOutputValue | undefined): Prefix | undefined {
  return parsePrefix(String(text));
}

function cursor(row: Record<string, SQLOutputValue>): StoredCursor {
  const key = String(row['key']);
  return {
    source: String(row['source']),
    key,
    cursor:
      row['kind'] === 'journal'
        ? { kind: 'journal', cursor: String(row['cursor']), realtimeMs: Number(row['realtime_ms']) }
        : {
            kind: 'file',
            path: key,
            inode: BigInt(String(row['inode'])),
            offsetBytes: Number(row['offset_bytes']),
            head: String(row['head']),
          },
  };
}

function origin(value: SQLOutputValue | undefined): BanOrigin {
  return value === 'manual' || value === 'import' ? value : 'jail';
}

function doubles(value: SQLOutputValue | undefined): number[] {
  if (!(value instanceof Uint8Array)) return [];
  const copy = value.slice(0, value.byteLength - (value.byteLength % 8));
  return [...new Float64Array(copy.buffer, 0, copy.byteLength / 8)];
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}

function infinite(value: SQLOutputValue | undefined): number {
  return value === null || value === undefined ? Infinity : Number(value);
}

/** undefined: there is no such file, as with `:memory:`. */
function inodeOf(path: string): bigint | undefined {
  return path === ':memory:' ? undefined : statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function size(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0; // no WAL yet
  }
}
