import type { Prefix } from './address.ts';

/** Why an address is never banned: a closed set. */
export type ProtectionReason = 'loopback' | 'own address' | 'gateway' | 'resolver' | 'syslog peer' | 'session' | 'allowlist';

/** An address or network that is never banned. */
export interface Protection {
  readonly prefix: Prefix;
  readonly reason: ProtectionReason;
  /** Interface, file, user, or `file:line` of the configuration; empty: nothing more to say. */
  readonly detail: string;
}

/** `own address (eth0)`, `session of alice`, `allowlist (/etc/sluice/sluice.yaml:12)`. A user's name comes as the system wrote it: whoever shows it escapes it. */
export function formatProtection({ reason, detail }: Protection): string {
  if (detail === '') return reason;
  return reason === 'session' ? `session of ${detail}` : `${reason} (${detail})`;
}
