import type { DatabaseSync } from 'node:sqlite';

/**
 * Each entry brings the schema from its index to the next version (`PRAGMA user_version`). Entries are never changed once released.
 *
 * Times are ms since the epoch; NULL in `until_ms`: permanent. `failures`: little-endian float64 ms, one after another.
 */
const migrations: readonly string[] = [
  `CREATE TABLE bans (
     jail TEXT NOT NULL, subject TEXT NOT NULL, since_ms REAL NOT NULL, until_ms REAL, count INTEGER NOT NULL,
     origin TEXT NOT NULL, observe INTEGER NOT NULL, PRIMARY KEY (jail, subject)) STRICT, WITHOUT ROWID;
   CREATE TABLE past_bans (
     jail TEXT NOT NULL, subject TEXT NOT NULL, count INTEGER NOT NULL, ended_ms REAL NOT NULL,
     PRIMARY KEY (jail, subject)) STRICT, WITHOUT ROWID;
   CREATE TABLE windows (
     jail TEXT NOT NULL, subject TEXT NOT NULL, failures BLOB NOT NULL, PRIMARY KEY (jail, subject)) STRICT, WITHOUT ROWID;
   CREATE TABLE allow (prefix TEXT PRIMARY KEY, until_ms REAL) STRICT, WITHOUT ROWID;
   CREATE TABLE cursors (
     source TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, cursor TEXT, realtime_ms REAL, inode TEXT, offset_bytes INTEGER,
     head TEXT, PRIMARY KEY (source, key)) STRICT, WITHOUT ROWID;`,
];

export const schemaVersion = migrations.length;

/** @throws {Error} if a newer sluice wrote the database: its meaning is unknown here. */
export function migrate(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA user_version').get();
  const found = Number(row?.['user_version'] ?? 0);
  if (found > schemaVersion)
    throw new NewerSchemaError(`its schema is ${found}, this sluice knows ${schemaVersion}: a newer sluice wrote it`);
  for (const [index, script] of migrations.entries()) {
    if (index >= found) database.exec(`BEGIN; ${script} PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

export class NewerSchemaError extends Error {}
