import { closeSync, openSync, writeSync } from 'node:fs';

/** What a generated mail log is like. */
export interface MailLogShape {
  readonly lines: number;
  /** Of all lines, 0 to 1. */
  readonly rejectShare: number;
  /** How many addresses the rejections come from. */
  readonly offenders: number;
  readonly seed: number;
  /** ms since the epoch. */
  readonly startMs: number;
  readonly linesPerSecond: number;
}

/** Writes a Postfix log in RSYSLOG_TraditionalFileFormat. The same shape gives the same bytes. */
export function writeMailLog(path: string, shape: MailLogShape): void {
  const file = openSync(path, 'w');
  let out: string[] = [];
  for (const line of mailLines(shape)) {
    out.push(line);
    if (out.length < 10_000) continue;
    writeSync(file, `${out.join('\n')}\n`);
    out = [];
  }
  if (out.length > 0) writeSync(file, `${out.join('\n')}\n`);
  closeSync(file);
}

/** Mails that pass take eight lines; a rejected client's are mixed in between. */
export function* mailLines({ lines, rejectShare, offenders, seed, startMs, linesPerSecond }: MailLogShape): Generator<string> {
  const random = createRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  let mail: readonly string[] = [];
  let next = 0;
  for (let written = 0; written < lines; written += 1) {
    const stamp = stampOf(startMs + Math.floor(written / linesPerSecond) * 1_000);
    if (random() < rejectShare) {
      yield `${stamp} mx1 ${rejection(offender(below(offenders)), below)}`;
      continue;
    }
    if (next >= mail.length) {
      mail = passedMail(below);
      next = 0;
    }
    yield `${stamp} mx1 ${mail[next] ?? ''}`;
    next += 1;
  }
}

/** 198.18.0.0/15 is reserved for measurements, RFC 2544. */
export function offender(index: number): string {
  return `198.${18 + ((index >> 16) & 1)}.${(index >> 8) & 0xff}.${index & 0xff}`;
}

type Below = (limit: number) => number;

function rejection(address: string, below: Below): string {
  const smtpd = `postfix/smtpd[${2_000 + below(40)}]`;
  const client = `unknown[${address}]`;
  const mail = `from=<sender${below(1_000)}@sender.example> to=<user${below(5_000)}@example.com> proto=ESMTP helo=<host${below(500)}.example>`;
  const kind = below(100);
  if (kind < 50)
    return `${smtpd}: NOQUEUE: reject: RCPT from ${client}: 454 4.7.1 <user${below(5_000)}@victim.example>: Relay access denied; ${mail}`;
  if (kind < 70)
    return `${smtpd}: NOQUEUE: reject: RCPT from ${client}: 550 5.1.1 <user${below(5_000)}@example.com>: Recipient address rejected: User unknown in local recipient table; ${mail}`;
  if (kind < 90)
    return `${smtpd}: warning: ${client}: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=user${below(500)}@example.com`;
  return `${smtpd}: NOQUEUE: reject: RCPT from ${client}: 554 5.7.1 Service unavailable; Client host [${address}] blocked using zen.example; ${mail}`;
}

function passedMail(below: Below): readonly string[] {
  const id = Array.from({ length: 11 }, () => '0123456789ABCDEF'.charAt(below(16))).join('');
  const client = `mail${below(200)}.good.example[203.0.113.${below(256)}]`;
  const smtpd = `postfix/smtpd[${2_000 + below(40)}]`;
  const sender = `news${below(1_000)}@good.example`;
  return [
    `${smtpd}: connect from ${client}`,
    `${smtpd}: ${id}: client=${client}`,
    `postfix/cleanup[${3_000 + below(20)}]: ${id}: message-id=<${below(1e9)}.${below(1e9)}@good.example>`,
    `postfix/qmgr[1205]: ${id}: from=<${sender}>, size=${1_000 + below(90_000)}, nrcpt=1 (queue active)`,
    `${smtpd}: disconnect from ${client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7`,
    `postfix/lmtp[${4_000 + below(20)}]: ${id}: to=<user${below(5_000)}@example.com>, relay=mx1.example.com[private/dovecot-lmtp], delay=0.${10 + below(80)}, delays=0.05/0/0.01/0.04, dsn=2.0.0, status=sent (250 2.0.0 <user@example.com> Saved)`,
    `postfix/qmgr[1205]: ${id}: removed`,
    `postfix/anvil[1300]: statistics: max connection count 1 for (smtp:203.0.113.${below(256)}) at Oct 18 01:20:09`,
  ];
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function stampOf(ms: number): string {
  const date = new Date(ms);
  return `${months[date.getUTCMonth()] ?? ''} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)}`;
}

/** mulberry32: numbers in [0, 1), the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
