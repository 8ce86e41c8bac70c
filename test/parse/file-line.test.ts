import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parseFileLine } from '../../src/parse/file-line.ts';

const context = { nowMs: Date.UTC(2026, 10, 22, 18), timezone: 'Europe/Berlin', program: undefined };
const bare = { facility: undefined, severity: undefined, msgId: undefined, structuredData: undefined, repeats: 1 };
const local = { ms: Date.UTC(2026, 10, 22, 16, 30, 37), zoned: false, fraction: false };

const lines: readonly [line: string, expected: object, because: string][] = [
  [
    'Nov 22 17:30:37 mx1 postfix/submission/smtpd[1234567]: x',
    { stamp: local, hostname: 'mx1', appName: 'postfix/submission/smtpd', procId: '1234567', text: 'x' },
    'RSYSLOG_TraditionalFileFormat, postlogd: the tag is whole',
  ],
  [
    '2026-11-22T17:30:37.336620+01:00 mx1 postfix/smtpd[1]: x',
    { stamp: { ms: local.ms + 336.62, zoned: true, fraction: true }, hostname: 'mx1', appName: 'postfix/smtpd', procId: '1', text: 'x' },
    'RSYSLOG_FileFormat',
  ],
  [
    'Nov 22 17:30:37 mx1 postfix/smtpd[1] \ufeffx',
    { stamp: local, hostname: 'mx1', appName: 'postfix/smtpd', procId: '1', text: 'x' },
    'RFC 5424 that rsyslog wrote to a file',
  ],
  ['Nov 22 17:30:37 mx1 a: x\r', { stamp: local, hostname: 'mx1', appName: 'a', procId: undefined, text: 'x' }, 'CR LF'],
  [
    'Nov 22 17:30:37 mx1 -- MARK --',
    { stamp: local, hostname: 'mx1', appName: undefined, procId: undefined, text: '-- MARK --' },
    'no tag',
  ],
];

describe('a line with a syslog header', () => {
  for (const [line, expected, because] of lines) {
    test(`${JSON.stringify(line)}: ${because}`, () => {
      assert.deepEqual(parseFileLine(line, context), { kind: 'message', message: { ...bare, ...expected } });
    });
  }

  test('needs a date', () => {
    for (const line of ['postfix/smtpd[1]: x', '    at Object.<anonymous>', 'Nov 22 17:30:37', '<22>Nov 22 17:30:37 mx1 a: x']) {
      assert.deepEqual(parseFileLine(line, context), { kind: 'unparsed', reason: 'header' }, line);
    }
    for (const line of ['', '\r']) assert.deepEqual(parseFileLine(line, context), { kind: 'unparsed', reason: 'empty' });
  });
});

const zoned = { ...local, zoned: true };
const headerless: readonly [line: string, stamp: object | undefined, because: string][] = [
  ['2026-11-22 17:30:37 login failed', local, 'ISO'],
  ['[2026-11-22 17:30:37] login failed', local, 'ISO in brackets'],
  ['2026-11-22T17:30:37+0100 login failed', zoned, 'ISO with a zone'],
  ['2026/11/22 17:30:37 [error] 7#7: *1 x', local, 'nginx, error log'],
  ['Nov 22 17:30:37 login failed', local, 'syslog'],
  ['[Sun Nov 22 17:30:37.250000 2026] [auth:error] x', { ...local, ms: local.ms + 250, fraction: true }, 'Apache, error log'],
  ['192.0.2.4 - - [22/Nov/2026:17:30:37 +0100] "GET / HTTP/1.1" 401 9', zoned, 'Apache and nginx, access log'],
  ['[22/Nov/2026:17:30:37 +0100] "GET /"', zoned, 'access log, date first'],
  [
    '192.0.2.4 - x [01/Jan/2020:00:00:00 +0100] [22/Nov/2026:17:30:37 +0100] "GET / HTTP/1.1" 401 9',
    zoned,
    'a client whose user name is a date gains nothing',
  ],
  ['192.0.2.4 - \\"x [01/Jan/2020:00:00:00 +0100] " [22/Nov/2026:17:30:37 +0100] "GET /"', undefined, 'a quote before the date: none'],
  ['login failed at 2026-11-22 17:30:37', undefined, 'a date anywhere else is not the stamp'],
  ['login failed', undefined, 'no date'],
];

describe('a line of a program without a syslog header', () => {
  for (const [line, stamp, because] of headerless) {
    test(`${line}: ${because}`, () => {
      assert.deepEqual(parseFileLine(line, { ...context, program: 'webmail' }), {
        kind: 'message',
        message: { ...bare, stamp, hostname: undefined, appName: 'webmail', procId: undefined, text: line },
      });
    });
  }
});

test('any line gives a message or a reason', () => {
  const piece = fc.oneof(
    fc.constantFrom('Nov 22 17:30:37', '[', ']', '"', ' ', 'a[1]: ', '22/Nov/2026:17:30:37 +0000'),
    fc.string({ unit: 'binary', maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom(undefined, 'a'), (pieces, program) => {
      const line = pieces.join('');
      const parsed = parseFileLine(line, { ...context, program });
      if (parsed.kind === 'message') assert.ok(line.includes(parsed.message.text));
    }),
    { numRuns: 2_000 },
  );
});
