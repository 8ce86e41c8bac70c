/** One option of a command. Without `value` it is a switch. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** How help calls its value: `FILE`. */
  readonly value?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly about: string;
}

/** One row of the command table, from which dispatch, help and shell completion come. */
export interface Command {
  readonly name: string;
  readonly group: CommandGroup;
  /** What stands behind the name: `[-c FILE] [--observe]`. */
  readonly usage: string;
  /** One line, for the overview. */
  readonly about: string;
  /** Paragraphs for `sluice help COMMAND`, examples among them. */
  readonly details: readonly string[];
  readonly flags: readonly Flag[];
  /** How many words may follow beside the options; `missing` says what is wanted when there are too few. */
  readonly operands: { readonly min: number; readonly max: number; readonly missing: string };
  /** Ends in order on SIGINT by itself; all others just stop with 130. */
  readonly handlesInterrupt?: boolean;
  /** @returns the exit code @throws {UsageError} and what src/cli/dispatch.ts turns into an exit code */
  readonly run: (given: Given) => Promise<number>;
}

export type CommandGroup = 'work' | 'look' | 'act' | 'shell';

/** What stood on the command line, checked against the command's row. */
export interface Given {
  readonly operands: readonly string[];
  readonly on: (flag: string) => boolean;
  readonly text: (flag: string) => string | undefined;
  readonly texts: (flag: string) => readonly string[];
}
