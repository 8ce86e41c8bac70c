import type { LineVerdict } from '../match/fail2ban/line-matcher.ts';
import type { FilterTexts } from '../model/foreign-filter.ts';

/** A filter that is to run where it can be stopped. Plain data. */
export interface GuardedFilter {
  readonly name: string;
  readonly texts: FilterTexts;
  /** IANA name or `local`, for dates without a zone. */
  readonly timezone: string;
  /** When it was compiled: see compileFilter. */
  readonly compiledMs: number;
}

/** One line for one filter. `dated`: the text holds no date, `timeMs` is when it was written; else `timeMs` is now. */
export interface LineTask {
  /** Counts from 1. */
  readonly sequence: number;
  readonly filter: string;
  readonly line: string;
  readonly timeMs: number;
  readonly dated: boolean;
}

export interface WorkerData {
  readonly filters: readonly GuardedFilter[];
  /** One Int32: the sequence of the line in work, 0 for none. */
  readonly progress: SharedArrayBuffer;
}

/** To the worker: lines in order. From the worker: their verdicts, in the same order. */
export type Batch = readonly LineTask[];
export type BatchVerdicts = readonly LineVerdict[];
