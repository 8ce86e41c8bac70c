import type { JournalEntry } from '../parse/journal-entry.ts';
import type { TakeRegion } from './log-regions.ts';

export type Entry = JournalEntry & { readonly kind: 'entry' };

/** Who reads a log in regions of whole lines, each with its LF but perhaps the last: without a string for each line. */
export interface RegionReader {
  readonly region: TakeRegion;
  readonly entry: (entry: Entry) => void | Promise<void>;
}
