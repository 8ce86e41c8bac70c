/** Exit codes: scripts rely on them. */
export const exit = {
  ok: 0,
  /** Also: a ban that was refused. */
  failed: 1,
  /** Usage, an unknown jail, not an address. */
  usage: 2,
  /** `check` found mistakes. */
  findings: 3,
  unreachable: 4,
  /** Nothing matched, nothing was banned. */
  nothing: 5,
  /** Configuration or rules that cannot be used; sysexits.h EX_CONFIG. */
  unusable: 78,
  interrupted: 130,
} as const;

/** The command line is not one of ours; the message says what is wrong with it. Exit 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
