import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Message } from '../../src/model/record.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';
import { unwrapRepeated } from '../../src/parse/repeated.ts';

function parse(frame: string): Message {
  const parsed = parseSyslog(frame, { nowMs: Date.UTC(2026, 10, 22, 18), timezone: 'UTC' });
  assert.ok(parsed.kind === 'message');
  return parsed.message;
}

const first = parse('<22>Nov 22 17:30:37 mx1 postfix/smtpd[1]: connect from unknown[192.0.2.4]');

const cases: readonly [tag: string, text: string, expected: { text: string; repeats: number }, because: string][] = [
  [
    'mx1 postfix/smtpd[1]:',
    'message repeated 4 times: [ connect from unknown[192.0.2.4]]',
    { text: 'connect from unknown[192.0.2.4]', repeats: 4 },
    'unwrapped',
  ],
  ['mx1 postfix/smtpd[1]:', 'message repeated 99999999 times: [ x]', { text: 'x', repeats: 1_000 }, 'the weight is bounded'],
  [
    'mx1 postfix/smtpd[1]:',
    'message repeated 2 times: [ message repeated 1000 times: [ x]]',
    { text: 'message repeated 1000 times: [ x]', repeats: 2 },
    'unwrapped once',
  ],
  ['mx1 postfix/smtpd[1]:', 'message repeated 2 times: [ a\u2028b]', { text: 'a\u2028b', repeats: 2 }, 'line separators are text'],
  ['mx1 postfix/smtpd[2]:', 'message repeated 4 times: [ x]', { text: 'message repeated 4 times: [ x]', repeats: 1 }, 'another pid'],
  ['mx1 postfix/qmgr[1]:', 'message repeated 4 times: [ x]', { text: 'message repeated 4 times: [ x]', repeats: 1 }, 'another program'],
  ['mx2 postfix/smtpd[1]:', 'message repeated 4 times: [ x]', { text: 'message repeated 4 times: [ x]', repeats: 1 }, 'another host'],
  ['mx1 postfix/smtpd[1]:', 'message repeated 0 times: [ x]', { text: 'message repeated 0 times: [ x]', repeats: 1 }, 'never'],
  [
    'mx1 postfix/smtpd[1]:',
    'message repeated 4 times: [x]',
    { text: 'message repeated 4 times: [x]', repeats: 1 },
    'rsyslog writes a space there',
  ],
  ['mx1 postfix/smtpd[1]:', 'message repeated 4 times: [ x] y', { text: 'message repeated 4 times: [ x] y', repeats: 1 }, 'more behind it'],
  [
    'mx1 postfix/smtpd[1]:',
    'message repeated 9999999999 times: [ x]',
    { text: 'message repeated 9999999999 times: [ x]', repeats: 1 },
    'no number of rsyslog’s',
  ],
];

describe("rsyslog's repeated messages", () => {
  for (const [tag, text, expected, because] of cases) {
    test(`${tag} ${text}: ${because}`, () => {
      const repeated = parse(`<22>Nov 22 17:30:38 ${tag} ${text}`);
      assert.deepEqual(unwrapRepeated(repeated, first), { ...repeated, ...expected });
    });
  }

  test('as the first message of a connection stays as it is', () => {
    const repeated = parse('<22>Nov 22 17:30:38 mx1 postfix/smtpd[1]: message repeated 4 times: [ x]');
    assert.equal(unwrapRepeated(repeated, undefined), repeated);
  });

  test('without a tag stays as it is', () => {
    const text = parse('<22>message repeated 4 times: [ x]');
    assert.equal(unwrapRepeated(text, parse('<22>x')), text);
  });
});
