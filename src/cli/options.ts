/**
 * What the commands that run without the daemon get, parsed and checked as far as the command line alone can tell. The command line
 * loads them when they are asked for:
 *
 *     src/main.ts          run(options: RunOptions): Promise<number>
 *     src/offline/check.ts check(options: CheckOptions): Promise<number>
 *     src/offline/test-command.ts testCommand(options: TestOptions): Promise<number>
 *     src/offline/replay.ts replay(options: ReplayOptions): Promise<number>
 *     src/offline/import-fail2ban.ts importFail2ban(options: ImportOptions): number
 *     src/offline/unban-offline.ts unbanOffline(options: UnbanOfflineOptions): Promise<number>
 *
 * The number is the exit code; results go to stdout, talk to stderr.
 */

export interface RunOptions {
  /** undefined: /etc/sluice/sluice.yaml if there is one, else built-in defaults. */
  readonly config: string | undefined;
  /** Decide, count, show, touch nothing, whatever the configuration says. */
  readonly observe: boolean;
  /** A directory of fail2ban whose jails run too. */
  readonly fail2ban: string | undefined;
}

export interface CheckOptions {
  readonly config: string | undefined;
  /** Empty: the configuration and all rules it leads to. */
  readonly ruleFiles: readonly string[];
  readonly json: boolean;
}

/** What `test` looks for in the lines: exactly one is given. */
export type Wanted =
  /** `NAME`, `NAME/PATTERN`, or the path of a rule file. */
  | { readonly kind: 'filter'; readonly spec: string }
  /** The native language, on the message. */
  | { readonly kind: 'pattern'; readonly text: string }
  | Foreign;

/** What is in fail2ban's dialect, and what `test` puts over it. */
export type Foreign = (
  | { readonly kind: 'regex'; readonly text: string }
  /** `PATH.conf[option=value,...]`, or `fail2ban:NAME[...]`. */
  | { readonly kind: 'fail2ban'; readonly spec: string }
) & {
  /** Lines that one of these fits do not count. */
  readonly ignore: readonly string[];
  /** In place of the filter's datepattern. */
  readonly date: string | undefined;
  /** The lines carry no date: they are of `nowMs`. */
  readonly noDate: boolean;
};

export interface TestOptions {
  /** Files, `-`, `.gz`, `journal:MATCHES`, or a log line itself; at least one. */
  readonly logs: readonly string[];
  readonly wanted: Wanted;
  /** ms since the epoch; undefined: the file's mtime. */
  readonly nowMs: number | undefined;
  readonly missed: boolean;
  readonly json: boolean;
}

export interface ReplayOptions {
  readonly logs: readonly string[];
  readonly config: string | undefined;
  /** ms since the epoch; undefined: the file's mtime. */
  readonly nowMs: number | undefined;
  readonly json: boolean;
}

/** `import fail2ban`. */
export interface ImportOptions {
  readonly dir: string;
  /** Where the native configuration goes; undefined: nowhere. */
  readonly write: string | undefined;
  readonly json: boolean;
}

/** `unban --all --offline`: what ends every ban when there is no daemon to ask. */
export interface UnbanOfflineOptions {
  readonly json: boolean;
  readonly config: string | undefined;
}
