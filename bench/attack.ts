import { closeSync, openSync, writeSync } from 'node:fs';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Now, as rsyslog writes it, in the machine's own time. */
export function stampNow(): string {
  const now = new Date();
  return `${months[now.getMonth()] ?? ''} ${String(now.getDate()).padStart(2)} ${now.toTimeString().slice(0, 8)}`;
}

/** What relay-denied of our postfix filter fits, and fail2ban's postfix filter as well. */
export function relayDenied(address: string): string {
  return `mx1 postfix/smtpd[2101]: NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <user@victim.example>: Relay access denied; from=<a@sender.example> to=<user@victim.example> proto=ESMTP helo=<host.example>`;
}

/** What sasl-failed fits. */
export function saslFailed(address: string): string {
  return `mx1 postfix/smtpd[2101]: warning: unknown[${address}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=user@example.com`;
}

/** A log in which each address is rejected once, all now. */
export function writeAttack(path: string, addresses: Iterable<string>): void {
  const file = openSync(path, 'w');
  const stamp = stampNow();
  let out = '';
  for (const address of addresses) {
    out += `${stamp} ${relayDenied(address)}\n`;
    if (out.length < 1_000_000) continue;
    writeSync(file, out);
    out = '';
  }
  writeSync(file, out);
  closeSync(file);
}
