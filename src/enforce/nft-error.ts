/** What a refused transaction means for us. nft exits with 1 whatever happened; only the text tells. */
export type NftProblemKind =
  /** Our table, a set or a chain is not there: somebody flushed the ruleset. */
  | 'missing'
  /** This element cannot be written. */
  | 'element'
  /** The set has as many elements as its size. */
  | 'full'
  /** No CAP_NET_ADMIN, or the table belongs to another process. */
  | 'denied'
  /** No such program. */
  | 'not_installed'
  /** The batch is larger than the socket's buffer, which cannot be forced in a user namespace. */
  | 'too_long'
  /** Something of that name exists and is defined in another way. */
  | 'changed'
  /** In use, or no memory at the moment. */
  | 'busy'
  /** It did not end in time, or was ended: whether the kernel has it is not known. */
  | 'timeout'
  | 'other';

export interface NftProblem {
  readonly kind: NftProblemKind;
  /** Line of the script, from 1; undefined where nft names none. */
  readonly line: number | undefined;
  /** nft's own sentence, without the place and the quotation. */
  readonly text: string;
}

const meanings: readonly (readonly [RegExp, NftProblemKind])[] = [
  [/cache initialization failed: Operation not permitted|you must be root/, 'denied'],
  [/Could not process rule: Operation not permitted/, 'denied'],
  [/Message too long/, 'too_long'],
  [/Too many open files in system/, 'full'],
  [/Could not process rule: (?:File exists|Operation not supported)/, 'changed'],
  [
    /Device or resource busy|Resource temporarily unavailable|Interrupted system call|No buffer space available|Cannot allocate memory/,
    'busy',
  ],
  // Our scripts add before they delete, so that an element is never what is missing.
  [/No such file or directory/, 'missing'],
  [/Numerical result out of range|value too large|Could not resolve hostname|'flags interval'|overlap|conflicting intervals/, 'element'],
  [/syntax error/, 'element'],
];

/**
 * Reads what nft wrote to stderr.
 *
 * Only the first error counts: those after it are often its consequences. The texts are the same from nft 1.0.6 to 1.1.3 and are not
 * translated; with `-f` each begins with `FILE:LINE:COL-COL: `.
 *
 * @param exitCode 127: the shell found no such program; 126: it may not be run
 */
export function readNftError(exitCode: number, stderr: string): NftProblem {
  if (exitCode === 127 || exitCode === 126)
    return { kind: 'not_installed', line: undefined, text: 'nft is not installed, or may not be run' };
  // A signal ended it: the out-of-memory killer, an administrator.
  if (exitCode > 128 && exitCode <= 128 + 64)
    return { kind: 'timeout', line: undefined, text: `nft was ended by signal ${exitCode - 128}` };
  const first = /^(?:(?<file>[^\n]*?):(?<line>\d+):\d+-\d+: )?(?<text>[^\n]*(?:Error: |not permitted)[^\n]*)/m.exec(stderr)?.groups;
  const line = first?.['line'] === undefined ? undefined : Number(first['line']);
  const text = (first?.['text'] ?? stderr.split('\n', 1)[0] ?? '').replace(/^(?:netlink: )?Error: /, '').slice(0, 300);
  const kind = meanings.find(([pattern]) => pattern.test(text))?.[1] ?? 'other';
  return { kind, line, text: text === '' ? `nft exited with ${exitCode}` : text };
}
