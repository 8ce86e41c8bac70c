/** A log with known offenders, and configurations that count them: what a run with faults is compared on with a run without. */

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Two jails count the same lines: with one failure too many or too few in `narrow` or `wide` an address is banned that should not be, or the
 * other way round. Nothing ends and nothing is swept while a test runs, so that the stored windows can be compared failure by failure.
 */
export const jails = `
jails:
  narrow: { filters: [postfix/relay-denied], maxretry: 3, findtime: 4h, bantime: 1w }
  wide: { filters: [postfix/relay-denied], maxretry: 6, findtime: 6h, bantime: 2w }
`;

/** The last offender of every log: when both jails have banned it, everything before it has been read. */
export const last = '198.51.100.254';

/**
 * Messages of postfix/smtpd in a random order: each offender fails 1 to 8 times, from one address or (IPv6) from several of its /64; all
 * others connect and go.
 */
export function messages(count: number, random: () => number): readonly string[] {
  const failures: string[] = [];
  for (let host = 0; host < 600; host++) {
    const times = 1 + Math.floor(random() * 8);
    for (let time = 0; time < times; time++) {
      const ipv4 = host < 250 ? `198.51.100.${host}` : `203.0.113.${host - 250}`;
      failures.push(refusal(host < 500 ? ipv4 : `2001:db8:100:${host.toString(16)}::${time + 1}`));
    }
  }
  const all = [...failures];
  for (let index = failures.length; index < count - 6; index++) all.push(`connect from mail.example[192.0.2.${index % 250}]`);
  for (let index = all.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    const [one, two] = [all[index], all[other]];
    if (one === undefined || two === undefined) continue;
    all[index] = two;
    all[other] = one;
  }
  return [...all, ...Array.from({ length: 6 }, () => refusal(last))];
}

export function refusal(address: string): string {
  return `NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>`;
}

/** As lines of a file; their stamps name their zone and end a second before now. */
export function fileLines(texts: readonly string[], nowMs: number): readonly string[] {
  const stepMs = 30;
  const firstMs = nowMs - 1_000 - texts.length * stepMs;
  return texts.map((text, index) => `${new Date(firstMs + index * stepMs).toISOString()} mx postfix/smtpd[4711]: ${text}\n`);
}

/** Lines of a log of which none tells of an offence: mails that pass. */
export function ordinaryLines(count: number): string {
  const stamp = new Date().toISOString();
  const lines = [
    'postfix/smtpd[4711]: connect from mail.example[192.0.2.40]',
    'postfix/smtpd[4711]: 4b2KxT1Nq9z6tmV: client=mail.example[192.0.2.40]',
    'postfix/cleanup[4712]: 4b2KxT1Nq9z6tmV: message-id=<1@mail.example>',
    'postfix/qmgr[900]: 4b2KxT1Nq9z6tmV: from=<s@example.net>, size=2048, nrcpt=1 (queue active)',
    'postfix/local[4713]: 4b2KxT1Nq9z6tmV: to=<v@example.com>, relay=local, delay=0.2, dsn=2.0.0, status=sent (delivered to mailbox)',
    'postfix/qmgr[900]: 4b2KxT1Nq9z6tmV: removed',
    'postfix/smtpd[4711]: disconnect from mail.example[192.0.2.40] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5',
  ].map((line) => `${stamp} mx ${line}\n`);
  return Array.from({ length: count }, (_, index) => lines[index % lines.length]).join('');
}
