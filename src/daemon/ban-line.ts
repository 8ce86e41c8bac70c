import { journalLine } from '../match/fail2ban/journal-line.ts';
import { type Address, splitPrefix } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';
import { localTimeMs } from './local-time.ts';

/** A ban to be told as fail2ban tells it. */
export type ToldBan = Pick<Ban, 'jail' | 'subject' | 'sinceMs' | 'address'>;

/**
 * The line that fail2ban writes to its log file for a ban, in local time: what jails such as recidive look for.
 *
 *     2026-11-22 12:00:00,123 fail2ban.actions        [4711]: NOTICE  [postfix-auth] Ban 192.0.2.4
 */
export function banLineOfFile(ban: ToldBan, pid: number): string {
  return `${localTimeMs(ban.sinceMs)} ${banMessage(ban, pid)}`;
}

/**
 * The same as fail2ban's filters see it of the journal, without a date: it is of `ban.sinceMs`.
 *
 *     mx fail2ban-server[4711]: fail2ban.actions        [4711]: NOTICE  [postfix-auth] Ban 192.0.2.4
 */
export function banLineOfJournal(ban: ToldBan, pid: number, hostname: string): string {
  return journalLine({
    hostname,
    identifier: 'fail2ban-server',
    pid: String(pid),
    monotonicSeconds: undefined,
    message: banMessage(ban, pid),
  });
}

/** Python's `%(name)-24s[%(process)d]: %(levelname)-7s %(message)s`. */
function banMessage(ban: ToldBan, pid: number): string {
  return `${'fail2ban.actions'.padEnd(24)}[${pid}]: ${'NOTICE'.padEnd(7)} [${ban.jail}] Ban ${who(ban)}`;
}

/** One address, since `<HOST>` fits no network: who failed where that is known, else the first of the network. */
function who({ subject, address }: ToldBan): Address {
  return address ?? splitPrefix(subject).address;
}
