/** What a search found. */
export interface RegexHit {
  /** Offset of the match in the text, and of its end, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  /** Text of the named groups that took part, also where it is empty. */
  readonly groups: ReadonlyMap<string, string>;
  /** Of one of them; for who needs no other. */
  readonly group: (name: string) => string | undefined;
}

/** A literal of which a match cannot do without. `fold`: in any letter case. */
export interface RequiredLiteral {
  readonly text: string;
  readonly fold: boolean;
}

/** One expression written in fail2ban's dialect, translated. */
export interface ForeignRegex {
  /** As it was written. */
  readonly text: string;
  /** Every text that matches holds one of these; empty: nothing can be required. */
  readonly literals: readonly RequiredLiteral[];
  /** Proved to take time linear in the text; if not, it is to be run where it can be stopped. */
  readonly linear: boolean;
  readonly groupNames: ReadonlySet<string>;
  /** @param ascii whether the text is all ASCII, if that is known: it takes a look at all of it */
  readonly search: (text: string, ascii?: boolean) => RegexHit | undefined;
}

/** Turns the wall clock of the log's zone into ms since the epoch; the zone is known to whoever calls. */
export type WallClock = (wallMs: number, nearMs: number) => number;

/** A date that was found in a line. */
export interface FoundDate {
  /** What is cut out of the line. Equal: the line says that it has no date. */
  readonly start: number;
  readonly end: number;
  /** ms since the epoch, whole seconds; undefined for a date that does not exist. */
  readonly valueMs: (nowMs: number, wallClock: WallClock) => number | undefined;
}

/** Finds the date of a line by the first of its templates that fits. */
export interface DateFinder {
  /** @param ascii as for ForeignRegex.search */
  readonly find: (line: string, ascii?: boolean) => FoundDate | undefined;
  /** Sure: what is cut out from behind something else is never followed by an ASCII letter, digit or `_`. */
  readonly endsWord: boolean;
}

/** A filter of fail2ban, ready to run. */
export interface ForeignFilter {
  readonly failRegexes: readonly ForeignRegex[];
  readonly ignoreRegexes: readonly ForeignRegex[];
  readonly prefRegex: ForeignRegex | undefined;
  /** How many lines a match may span. */
  readonly maxLines: number;
  readonly dates: DateFinder;
}

/** A filter as its files say it, after all substitutions; tags of expressions stand as written. Plain data: it can be sent to a worker. */
export interface FilterTexts {
  readonly failregex: readonly string[];
  readonly ignoreregex: readonly string[];
  readonly prefregex: string | undefined;
  /** One for each line; none: the default forms of dates. */
  readonly datepattern: readonly string[];
  readonly maxlines: number;
  readonly usedns: 'yes' | 'warn' | 'no' | 'raw';
  readonly logtimezone: string | undefined;
}
