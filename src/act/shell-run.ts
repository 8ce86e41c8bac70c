/** One command for /bin/sh. */
export interface ShellCommand {
  readonly script: string;
  /** Added to the environment: texts that must not be part of the script. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

export type ShellResult =
  | { readonly kind: 'exit'; readonly code: number; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string; readonly stderr: string }
  | { readonly kind: 'timeout'; readonly stderr: string }
  /** It could not be started. */
  | { readonly kind: 'failed'; readonly why: string };

export type RunShell = (command: ShellCommand) => Promise<ShellResult>;

/** What belongs to this process alone, and would make a child speak in its name or start otherwise. */
const ownVariables = /^(?:NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|NODE_\w+|CREDENTIALS_DIRECTORY|INVOCATION_ID|JOURNAL_STREAM|f2bV_\w+)$/;

/** What commands see of the environment. */
export function environmentForActions(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined && !ownVariables.test(name)) kept[name] = value;
  kept['PATH'] ??= '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return kept;
}

/** In words for a person. @returns undefined for success */
export function whyFailed(result: ShellResult, timeoutMs: number): string | undefined {
  switch (result.kind) {
    case 'exit':
      return result.code === 0 ? undefined : withStderr(`exit code ${result.code}${hintOf(result.code)}`, result.stderr);
    case 'killed':
      return withStderr(`ended by ${result.signal}`, result.stderr);
    case 'timeout':
      return withStderr(`ended after ${timeoutMs / 1_000} s`, result.stderr);
    case 'failed':
      return result.why;
  }
}

function hintOf(code: number): string {
  return code === 127 ? ' (a program is not installed, or not in PATH)' : code === 126 ? ' (a program may not be run)' : '';
}

function withStderr(what: string, stderr: string): string {
  return stderr === '' ? what : `${what}: ${stderr}`;
}
