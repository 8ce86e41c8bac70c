/** What of a journal entry fail2ban's expressions see. */
export interface JournalParts {
  readonly hostname: string | undefined;
  /** SYSLOG_IDENTIFIER, else _COMM. */
  readonly identifier: string | undefined;
  /** SYSLOG_PID, else _PID. */
  readonly pid: string | undefined;
  /** Seconds since boot; shown for messages of the kernel alone. */
  readonly monotonicSeconds: number | undefined;
  readonly message: string;
}

/** The line that fail2ban makes of a journal entry: `host ident[pid]: message`, without a date. */
export function journalLine({ hostname, identifier, pid, monotonicSeconds, message }: JournalParts): string {
  const parts: string[] = [];
  if (hostname !== undefined && hostname !== '') parts.push(hostname);
  if (identifier !== undefined && identifier !== '') {
    const tag = `${identifier}${pid === undefined || pid === '' ? '' : `[${pid}]`}:`;
    parts.push(tag);
    if (tag === 'kernel:' && monotonicSeconds !== undefined) parts.push(`[${monotonicSeconds.toFixed(6).padStart(12)}]`);
  }
  return [...parts, message].join(' ').replaceAll('\n', '\\n');
}
