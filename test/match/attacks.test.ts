import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createMatcher } from '../../src/match/matcher.ts';
import { attacker, programs, rules, said, shortestCut, texts, victim, written } from '../support/attack-lines.ts';
import { record } from './recognise.ts';

/** Lines of the daemons that no pattern wants, each with a place for the client's words. */
const otherLines: readonly (readonly [program: string, before: string, behind: string])[] = [
  ['postfix/smtpd', 'connect from mail.example[192.0.2.4]', ''],
  ['postfix/smtpd', '4b2KxT1Nq9z6tmV: client=mail.example[192.0.2.4], sasl_method=PLAIN, sasl_username=', ''],
  ['postfix/smtpd', 'warning: hostname ', ' does not resolve to address 192.0.2.4'],
  ['postfix/smtpd', 'warning: numeric hostname: ', ''],
  ['postfix/smtpd', 'warning: ', ': RBL lookup error: Host or domain name not found'],
  ['postfix/smtpd', 'SSL_accept error from mail.example[192.0.2.4]: ', ''],
  ['postfix/smtpd', 'NOQUEUE: abort: TLS from mail.example[192.0.2.4]: ', ''],
  ['postfix/smtpd', 'NOQUEUE: warn: RCPT from mail.example[192.0.2.4]: ', '; from=<a@b.example>'],
  ['postfix/smtpd', 'NOQUEUE: proxy-reject: END-OF-MESSAGE: 554 5.7.1 ', '; from=<a@b.example>'],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: message-id=', ''],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: warning: header Subject: ', ' from mail.example[192.0.2.4]; from=<a@b.example>'],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: reject: header Subject: ', ' from mail.example[192.0.2.4]; from=<a@b.example>'],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: reject: body ', ' from mail.example[192.0.2.4]; from=<a@b.example>'],
  [
    'postfix/cleanup',
    '4b2KxT1Nq9z6tmV: reject: mime-error improper use of 8-bit data in message header: ',
    ' from mail.example[192.0.2.4]; from=<a@b.example>',
  ],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: reject: content ', ''],
  ['postfix/cleanup', '4b2KxT1Nq9z6tmV: milter-header-reject: header ', ' from mail.example[192.0.2.4]; from=<a@b.example>'],
  [
    'postfix/smtp',
    '4b2KxT1Nq9z6tmV: to=<a@b.example>, relay=mx.example[198.51.100.7]:25, delay=1, dsn=5.1.1, status=bounced (host said: ',
    ')',
  ],
  ['postfix/smtp', '4b2KxT1Nq9z6tmV: host mx.example[198.51.100.7] said: 450 ', ' (in reply to RCPT TO command)'],
  ['postfix/qmgr', '4b2KxT1Nq9z6tmV: from=<', '>, size=1, nrcpt=1 (queue active)'],
  ['postfix/postscreen', 'CONNECT from [192.0.2.4]:25 to [198.51.100.7]:25', ''],
  ['dovecot', 'imap-login: Login: user=<', '>, method=PLAIN, rip=192.0.2.4, lip=198.51.100.7, mpid=1, TLS, session=<x>'],
  ['dovecot', 'imap-login: Disconnected (no auth attempts in 1 secs): user=<', '>, rip=192.0.2.4, lip=198.51.100.7, session=<x>'],
  ['dovecot', 'auth: passwd-file(', ',192.0.2.4): Password mismatch'],
  ['sshd', 'Received disconnect from 192.0.2.4 port 40112:11: ', ' [preauth]'],
  ['sshd', 'Accepted password for ', ' from 192.0.2.4 port 40112 ssh2'],
  ['sshd', 'Invalid user ', ' from h.example port 40112'],
  ['sshd', 'Failed password for ', ' from UNKNOWN port 65535 ssh2'],
  ['sshd', 'pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=', ' rhost=h.example  user=root'],
  ['sshd', 'pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.4 user=', ''],
  ['sshd', 'pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.4  user=', ''],
  ['sshd', 'pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=h.example  user=', ''],
  [
    'dovecot',
    'auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=',
    ' rhost=192.0.2.4  user=root',
  ],
];

/** The line whole, and cut behind each place where the victim stands, to no less than the shortest length that anything cuts to. */
function cuts(line: string, shortest: number): readonly string[] {
  const places = line.matchAll(/203\.0\.113\.66(?: port \d+(?: ssh2| \[preauth\])?|\]|\]:\d+)?/g);
  const ends = [...places].map((found) => found.index + found[0].length).slice(0, 8);
  return [line, ...[1_023, 2_000, ...ends].filter((end) => end >= shortest).map((end) => line.slice(0, end))];
}

describe('whatever the client says, nobody else is named', () => {
  const filters = [...rules.filters];
  const check = (line: string, program: string, shortest: number): void => {
    const matcher = createMatcher(filters);
    matcher.match(record({ appName: 'postfix/smtpd', text: `4b2KxT1Nq9z6tmV: client=mail.example[${attacker}]` }));
    for (const text of cuts(line, shortest)) {
      const { detections, successes = [] } = matcher.match(record({ appName: program, text }));
      for (const { address, filter, pattern } of detections)
        assert.notEqual(address, victim, `${filter}/${pattern} on ${program}: ${text}`);
      assert.ok(!successes.some((address) => address === victim), `success on ${program}: ${text}`);
    }
  };

  test('in every pattern of every shipped rule', () => {
    const filling = fc.record({ address: fc.constant(attacker), said, optional: fc.array(fc.boolean(), { minLength: 4, maxLength: 8 }) });
    let detected = 0;
    fc.assert(
      fc.property(fc.constantFrom(...texts), filling, fc.constantFrom(...programs), ({ parts, shortest }, filled, program) => {
        const line = written(parts, filled);
        check(line, program, shortest);
        detected += createMatcher(filters).match(record({ appName: program, text: line })).detections.length;
      }),
      { numRuns: 6_000 },
    );
    assert.ok(detected > 300, `${detected} lines were recognised`);
  });

  test('in lines that no pattern wants', () => {
    fc.assert(
      fc.property(fc.constantFrom(...otherLines), said, fc.boolean(), ([program, before, behind], [words = ''], bare) => {
        const postfix = program.startsWith('postfix/');
        // A host name has no spaces.
        const spoken = behind.startsWith(': RBL') || before.endsWith('hostname ') ? words.replaceAll(/\s/g, '') : words;
        check(`${before}${spoken}${behind}`, bare && postfix ? 'postfix' : program, postfix ? 0 : shortestCut);
      }),
      { numRuns: 6_000 },
    );
  });
});
