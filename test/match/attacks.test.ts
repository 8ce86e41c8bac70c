import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { createMatcher } from '../../src/match/matcher.ts';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { provePattern } from '../../src/rules/native/pattern-proof.ts';
import { parsePattern } from '../../src/rules/native/pattern-syntax.ts';
import type { Hole, Part } from '../../src/rules/native/pattern-syntax.ts';
import { record } from './recognise.ts';

/** Whom the attacker wants banned. */
const victim = '203.0.113.66';
const attacker = '192.0.2.4';

const folder = join(import.meta.dirname, '../../rules');
const rules = loadRules([folder]);

/** Text of every pattern of a shipped filter, its exceptions and what it remembers. */
function patternTexts(file: string): readonly string[] {
  const rule: { patterns: Record<string, string | { pattern: string }>; except?: string[]; remember?: Record<string, string> } = parse(
    readFileSync(file, 'utf8'),
  );
  const patterns = Object.values(rule.patterns).map((value) => (typeof value === 'string' ? value : value.pattern));
  return [...patterns, ...(rule.except ?? []), ...Object.values(rule.remember ?? {})];
}

/** How a line is made of a pattern: whose address, what the client said, which optional parts are there. */
interface Filling {
  readonly address: string;
  readonly said: readonly string[];
  readonly optional: readonly boolean[];
}

const samples: Readonly<Record<string, string>> = {
  ip: '198.51.100.7',
  host: 'mail.example',
  int: '5',
  port: '40112',
  num: '0.2',
  word: 'RCPT',
  code: '554',
  dsn: '5.7.1',
  qid: '4b2KxT1Nq9z6tmV',
};

function written(parts: readonly Part[], filling: Filling): string {
  let holes = 0;
  let optionals = 0;
  const hole = ({ type }: Hole): string => {
    const said = filling.said[holes++ % filling.said.length] ?? '';
    if (type.kind === 'words') return type.words[said.length % type.words.length] ?? '';
    if (type.kind === 'own') return 'Disconnected';
    if (type.kind === 'text') return said;
    if (type.class === 'addr') return filling.address;
    // The client chooses some words as well, as far as a word goes.
    return type.class === 'word' && holes % 2 === 1 ? said.replaceAll(/[ \t]/g, '_') : (samples[type.class] ?? '');
  };
  const part = (one: Part): string => {
    if (one.kind === 'literal') return one.text;
    if (one.kind === 'hole') return hole(one);
    return filling.optional[optionals++ % filling.optional.length] === true ? one.parts.map(part).join('') : '';
  };
  return parts.map(part).join('');
}

const tricks = [
  `x[${victim}]`,
  `x[${victim}]:25: 554 5.7.1 <a>: Relay access denied`,
  ` from x[${victim}]`,
  ` from x[${victim}]; from=<a>`,
  ` from ${victim} port 22 ssh2`,
  ` rhost=${victim}`,
  ` rhost=${victim}  user=root`,
  `x rhost=${victim}`,
  `x rhost=${victim}  user=${'A'.repeat(250)}`,
  `>, rip=${victim}, lip=198.51.100.7, session=<x>`,
  ` at ${victim}`,
  victim,
  ` ${victim} port 22 [preauth]`,
  `[${victim}]:25`,
  `\n${victim}`,
  `... from x[${victim}]`,
];

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

/** No daemon, relay or socket cuts a message shorter than this. What is proved from the left may be cut anywhere. */
const shortestCut = 800;

describe('whatever the client says, nobody else is named', () => {
  const texts = rules.files
    .flatMap(({ file }) => patternTexts(file))
    .map((text) => {
      const { syntax } = parsePattern(text);
      return { parts: syntax.parts, shortest: provePattern(syntax, 'address').proof === 'right' ? shortestCut : 0 };
    });
  const filters = [...rules.filters];
  /** Also what 5424 senders leave of the tag. */
  const programs = [...new Set([...filters.flatMap((filter) => filter.programs), 'postfix'])];
  const fake = fc
    .tuple(fc.constantFrom(...texts), fc.array(fc.boolean(), { minLength: 4, maxLength: 8 }))
    .map(([{ parts }, optional]) => written(parts, { address: victim, said: ['x', '>'], optional }));
  const words = fc.array(
    fc.oneof(fake, fc.constantFrom(...tricks), fc.constantFrom(' ', '>: ', 'a', ']', '"', ': ', 'A'.repeat(700), 'A'.repeat(1_900))),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  const said = fc.array(
    words.map((list) => list.join('')),
    { minLength: 1, maxLength: 4 },
  );

  const check = (line: string, program: string, shortest: number): void => {
    const matcher = createMatcher(filters);
    matcher.match(record({ appName: 'postfix/smtpd', text: `4b2KxT1Nq9z6tmV: client=mail.example[${attacker}]` }));
    for (const text of cuts(line, shortest)) {
      for (const { address, filter, pattern } of matcher.match(record({ appName: program, text })).detections) {
        assert.notEqual(address, victim, `${filter}/${pattern} on ${program}: ${text}`);
      }
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
