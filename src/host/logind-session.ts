import { parseAddress } from '../model/address.ts';
import type { Session } from './session.ts';

/**
 * One file of /run/systemd/sessions, which systemd-logind keeps for each session: `KEY=VALUE` lines.
 *
 * The files are no interface that systemd promises to keep (sd-login(3) reads them); where one cannot be read as this, the session is
 * not known, and utmp may know it. REMOTE_HOST is what PAM was given: an address from sshd, or a name, which is never looked up.
 */
export function parseLogindSession(text: string, nowMs: number): Session | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) values.set(line.slice(0, equals), unescape(line.slice(equals + 1)));
  }
  const address = parseAddress((values.get('REMOTE_HOST') ?? '').replace(/%.*$/, ''));
  // A greeter or a background session is nobody who logged in.
  const person = (values.get('CLASS') ?? 'user').startsWith('user');
  return address === undefined || !person || values.get('REMOTE') === '0'
    ? undefined
    : { address, user: values.get('USER') ?? '', seenMs: nowMs };
}

/** env files escape quotes and backslashes, and may quote the whole. */
function unescape(value: string): string {
  const bare = /^"(?<inside>.*)"$/.exec(value)?.groups?.['inside'] ?? value;
  return bare.replace(/\\(.)/g, '$1');
}
