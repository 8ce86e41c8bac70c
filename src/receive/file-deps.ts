import type { Sieve } from '../model/sieve.ts';
import type { StartAt } from '../model/source.ts';
import type { ParseLine } from './file-lines.ts';
import type { FilePosition } from './open-file.ts';

/** What a file source is given. */
export interface FileDeps {
  readonly nowMs: () => number;
  readonly parse: ParseLine;
  /** Where earlier runs left off, also in files that have other names by now. */
  readonly positions: readonly FilePosition[];
  /** For files without a position that exist when the source is opened; those that appear later are read whole. */
  readonly startAt: StartAt;
  /** Lines in which it finds nothing are counted and not handed over. */
  readonly sieve?: Sieve | undefined;
  /** How often to look without being told; default 1000. inotify does not reach network file systems, and it has a limit. */
  readonly pollMs?: number;
}
