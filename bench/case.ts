import type { Result } from './result.ts';

/** What was asked for on the command line. */
export interface Setting {
  /** For what is made and can be big; removed at the end. */
  readonly directory: string;
  readonly lines: number;
  readonly rounds: number;
}

/** Measures, and says on stderr where it is. */
export type Case = (setting: Setting) => Promise<readonly Result[]>;
