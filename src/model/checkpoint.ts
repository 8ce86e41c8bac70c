import type { Prefix } from './address.ts';
import type { Ban } from './decision.ts';

/** What must survive a restart, as plain data: the store keeps it, `decide` and `receive` understand it. */

/** The end of the last ban of a subject in a jail, for growing ban times. */
export interface PastBan {
  readonly jail: string;
  readonly subject: Prefix;
  readonly count: number;
  readonly endedMs: number;
}

/** Failures of one subject in one jail that still count, ms since the epoch, sorted. */
export interface OpenWindow {
  readonly jail: string;
  readonly subject: Prefix;
  readonly failuresMs: readonly number[];
}

/** `allow ADDRESS --for 1d`. Infinity: until taken back. */
export interface AllowEntry {
  readonly prefix: Prefix;
  readonly untilMs: number;
}

/** How far a source has been read. A file source has one for each file; `key` is the file's path, `''` for the journal. */
export interface StoredCursor {
  readonly source: string;
  readonly key: string;
  readonly cursor:
    | { readonly kind: 'journal'; readonly cursor: string; readonly realtimeMs: number }
    | {
        readonly kind: 'file';
        readonly path: string;
        readonly inode: bigint;
        readonly offsetBytes: number;
        /** Hash of the file's first bytes: an inode number is used again soon after a file is gone. */
        readonly head: string;
      };
}

/** Everything that changed since the last commit; it becomes one transaction. `undefined` as a value: the row goes. */
export interface Checkpoint {
  readonly bans: readonly { readonly jail: string; readonly subject: Prefix; readonly ban: Ban | undefined }[];
  readonly past: readonly { readonly jail: string; readonly subject: Prefix; readonly past: PastBan | undefined }[];
  readonly windows: readonly { readonly jail: string; readonly subject: Prefix; readonly failuresMs: readonly number[] }[];
  readonly allow: readonly { readonly prefix: Prefix; readonly untilMs: number | undefined }[];
  readonly cursors: readonly StoredCursor[];
}

/** What a start finds. */
export interface StoredState {
  readonly bans: readonly Ban[];
  readonly past: readonly PastBan[];
  readonly windows: readonly OpenWindow[];
  readonly allow: readonly AllowEntry[];
  readonly cursors: readonly StoredCursor[];
}
