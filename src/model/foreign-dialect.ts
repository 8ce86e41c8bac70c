import type { Jail } from './decision.ts';
import type { FilterTexts } from './foreign-filter.ts';
import type { ForeignIgnoreEntry } from './foreign-jail.ts';

/** What is wrong in one text of a filter in fail2ban's dialect. */
export interface TextMistake {
  readonly option: 'failregex' | 'ignoreregex' | 'prefregex' | 'datepattern' | 'logtimezone';
  /** Which one of the option's texts, from 0. */
  readonly index: number;
  /** Offsets in that text, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly help: string | undefined;
}

/** How bans grow as fail2ban lets them: its `bantime.*`. */
export interface Increment {
  /** Each ban twice as long as the one before, times this. */
  readonly factor: number;
  /** Instead of doubling; as written. */
  readonly formula: string | undefined;
  /** Instead of a formula: one for each return, the last for all further ones. Empty: none. */
  readonly multipliers: readonly number[];
  /** ms; Infinity: no upper bound. */
  readonly maxMs: number;
  /** Up to so many ms more, at random. */
  readonly randomMs: number;
  /** Bans in all jails count, not only in this one. */
  readonly overall: boolean;
  /** How long a ban is remembered after its end: `dbpurgeage`, ms. */
  readonly rememberMs: number;
}

/** What a configuration must know of fail2ban's dialect to be read. Pure: nothing is looked up, no file is opened. */
export interface ForeignDialect {
  /** Everything in these texts that cannot be used; empty: they compile. */
  readonly mistakes: (texts: FilterTexts) => readonly TextMistake[];
  /** @returns undefined for a text that spares nobody */
  readonly ignoreEntry: (written: string) => ForeignIgnoreEntry | undefined;
  /** @returns the lengths of bans; where the formula cannot be used, what is wrong at which of its characters */
  readonly bantime: (
    firstMs: number,
    increment: Increment | undefined,
  ) => { readonly bantime: Jail['bantime'] } | { readonly mistake: string; readonly start: number };
}
