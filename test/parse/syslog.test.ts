import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Message } from '../../src/model/record.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';

const clock = { nowMs: Date.UTC(2026, 10, 22, 18), timezone: 'UTC' };
const seconds = Date.UTC(2026, 10, 22, 17, 30, 37);

/** A message with nothing but defaults: user.notice, no header. */
function message(known: Partial<Message>): Message {
  return {
    facility: 1,
    severity: 5,
    stamp: undefined,
    hostname: undefined,
    appName: undefined,
    procId: undefined,
    msgId: undefined,
    structuredData: undefined,
    text: '',
    repeats: 1,
    ...known,
  };
}

const mail = { facility: 2, severity: 6 };
const dated = { ...mail, stamp: { ms: seconds, zoned: false, fraction: false }, hostname: 'mx1' };
const exact = { ...mail, stamp: { ms: seconds + 336.62, zoned: true, fraction: true }, hostname: 'mx1' };
const smtpd = { appName: 'postfix/smtpd', procId: '1234' };

const rfc3164: readonly [frame: string, expected: Message, because: string][] = [
  ['<22>Nov 22 17:30:37 mx1 postfix/smtpd[1234]: x', message({ ...dated, ...smtpd, text: 'x' }), 'RSYSLOG_TraditionalForwardFormat'],
  ['<22>2026-11-22T17:30:37.336620+00:00 mx1 postfix/smtpd[1234]: x', message({ ...exact, ...smtpd, text: 'x' }), 'RSYSLOG_ForwardFormat'],
  [
    '<22>2026-11-22T17:30:37.336620+00:00 mx1 postfix/smtpd[1234] \ufeffx y',
    message({ ...exact, ...smtpd, text: 'x y' }),
    'RFC 5424 relayed as RSYSLOG_ForwardFormat: no colon, and a byte order mark inside',
  ],
  [
    '<22>Nov 22 17:30:37 mx1 postfix/submission/smtpd[1234567 warning: x',
    message({ ...dated, appName: 'postfix/submission/smtpd', procId: '1234567', text: 'warning: x' }),
    'a tag cut at 32 characters: seven digits are a whole pid',
  ],
  [
    '<22>Nov 22 17:30:37 mx1 postfix-a/submission/smtpd[12345 warning: x',
    message({ ...dated, appName: 'postfix-a/submission/smtpd', text: 'warning: x' }),
    'a tag cut at 32 characters: the pid may have lost its end',
  ],
  [
    '<22>Nov 22 17:30:37 mx1 postfix/submission/smtpd[123456] x',
    message({ ...dated, appName: 'postfix/submission/smtpd', procId: '123456', text: 'x' }),
    'a tag cut at 32 characters: only the colon is gone',
  ],
  [
    '<22>Nov 22 17:30:37 mx1 a-program-with-a-name-of-32-char x',
    message({ ...dated, appName: 'a-program-with-a-name-of-32-char', text: 'x' }),
    'a tag cut at 32 characters: all of it name',
  ],
  [
    '<22>Nov 22 17:30:37 mx1 a-program-with-a-name-of-31-cha x',
    message({ ...dated, text: 'a-program-with-a-name-of-31-cha x' }),
    'any other word before a space is text',
  ],
  ['<22>Nov 22 17:30:37 mx1 postfix/smtpd x', message({ ...dated, text: 'postfix/smtpd x' }), 'an outsider may have written that word'],
  ['<6>Nov 22 17:30:37 mx1 kernel: [12.5] x', message({ ...dated, facility: 0, appName: 'kernel', text: '[12.5] x' }), 'no pid'],
  ['<22>Nov 22 17:30:37 mx1 a[]: x', message({ ...dated, appName: 'a', text: 'x' }), 'an empty pid'],
  ['<22>Nov 22 17:30:37 mx1 a[b[c]: x', message({ ...dated, appName: 'a[b', procId: 'c', text: 'x' }), 'the last bracket is the pid'],
  ['<22>Nov 22 17:30:37 mx1 a]: x', message({ ...dated, appName: 'a]', text: 'x' }), 'a bracket that was not opened'],
  ['<22>Nov 22 17:30:37 mx1 [5]: x', message({ ...dated, text: '[5]: x' }), 'a pid of no program'],
  ['<22>Nov 22 17:30:37 mx1 : x', message({ ...dated, text: ': x' }), 'an empty tag'],
  ['<22>Nov 22 17:30:37 mx1 a:', message({ ...dated, appName: 'a' }), 'no text'],
  ['<22>Nov 22 17:30:37 mx1 a:x', message({ ...dated, appName: 'a', text: 'x' }), 'no space behind the colon'],
  ['<22>Nov 22 17:30:37 mx1 a:  x', message({ ...dated, appName: 'a', text: ' x' }), 'only one space belongs to the tag'],
  ['<22>Nov 22 17:30:37 postfix/smtpd[1234]: x', message({ ...dated, hostname: undefined, ...smtpd, text: 'x' }), 'no host: syslog(3)'],
  ['<22>Nov 22 17:30:37 su: x', message({ ...dated, hostname: undefined, appName: 'su', text: 'x' }), 'no host, no pid'],
  ['<22>Nov 22 17:30:37 2001:db8:: su: x', message({ ...dated, hostname: '2001:db8::', appName: 'su', text: 'x' }), 'IPv6 as host name'],
  ['<22>Nov 22 17:30:37', message({ ...mail, text: 'Nov 22 17:30:37' }), 'a date and nothing else is text'],
  ['<22>Nov 22 17:30:37 mx1', message({ ...dated, hostname: undefined, text: 'mx1' }), 'one word behind the date'],
  ['<22>postfix/smtpd[1234]: x', message({ ...mail, ...smtpd, text: 'x' }), 'no date'],
  ['<22>only text', message({ ...mail, text: 'only text' }), 'no date, no tag'],
  [
    'Nov 22 17:30:37 mx1 postfix/smtpd[1234]: x',
    message({ ...dated, facility: 1, severity: 5, ...smtpd, text: 'x' }),
    'no PRI is user.notice',
  ],
  ['<0>su: x', message({ facility: 0, severity: 0, appName: 'su', text: 'x' }), 'kern.emerg is the smallest PRI'],
  ['<191>su: x', message({ facility: 23, severity: 7, appName: 'su', text: 'x' }), 'local7.debug is the largest'],
  ['<192>su: x', message({ appName: 'su', text: 'x' }), 'facility 24 does not exist: as if there were no PRI'],
  ['<013>su: x', message({ appName: 'su', text: 'x' }), 'leading zeros are not allowed'],
  ['<99999>su: x', message({ appName: 'su', text: 'x' }), 'far too large'],
  ['<>su: x', message({ appName: '<>su', text: 'x' }), 'nothing in it is no PRI at all'],
  ['<-1>su x', message({ text: '<-1>su x' }), 'not a number'],
  ['<22 x', message({ text: '<22 x' }), 'not closed'],
  [
    '<22>2 2026-11-22T17:30:37Z mx1 a - - - x',
    message({ ...mail, text: '2 2026-11-22T17:30:37Z mx1 a - - - x' }),
    'no version that we know',
  ],
];

const utf8 = 'Ж\u2028\u2029\u0085\u001b[31m\r\u0000\ufffd';
const rfc5424: readonly [frame: string, expected: Message, because: string][] = [
  [
    '<22>1 2026-11-22T17:30:37.336620+00:00 mx1 postfix 1234 - -  x',
    message({ ...exact, appName: 'postfix', procId: '1234', text: 'x' }),
    'RSYSLOG_SyslogProtocol23Format: two spaces before the text, which is the same as in the other forms',
  ],
  [
    '<22>1 2026-11-22T17:30:37.336620+00:00 mx1 postfix/smtpd 1234 - - x',
    message({ ...exact, ...smtpd, text: 'x' }),
    'parser.permitSlashInProgramName',
  ],
  [
    '<22>1 2026-11-22T17:30:37.336620+00:00 mx1 a - ID47 [x@1 k="v"][y@1 k="a \\"b\\" \\\\ \\] \\n"] \ufeffx',
    message({ ...exact, appName: 'a', msgId: 'ID47', structuredData: '[x@1 k="v"][y@1 k="a \\"b\\" \\\\ \\] \\n"]', text: 'x' }),
    'escapes in structured data, and a byte order mark',
  ],
  ['<22>1 - - - - - -', message({ ...mail }), 'everything nil, no text'],
  ['<22>1 - - - - - - ', message({ ...mail }), 'an empty text'],
  ['<22>1 - - - - - -   x', message({ ...mail, text: ' x' }), 'only one space before the text is rsyslog’s'],
  ['<22>1 - - - - - [a]', message({ ...mail, structuredData: '[a]' }), 'structured data without parameters'],
  [
    '<22>1 - - - - - [a b="]"] x',
    message({ ...mail, structuredData: '[a b="]"]', text: 'x' }),
    'a bracket in a value that should be escaped',
  ],
  [
    '<22>1 - - - - - [a b="\\\\"] x"] y',
    message({ ...mail, structuredData: '[a b="\\\\"]', text: 'x"] y' }),
    'an escaped backslash, then the end',
  ],
  [
    '<22>1 2026-11-22T17:30:37Z - - - - - x',
    message({ ...mail, stamp: { ms: seconds, zoned: true, fraction: false }, text: 'x' }),
    'no fraction',
  ],
  ['<999>1 - - - - - - x', message({ text: 'x' }), 'an impossible PRI'],
  [`<22>1 - - a - - - ${utf8}x`, message({ ...mail, appName: 'a', text: `${utf8}x` }), 'separators and control characters are text'],
];

const broken: readonly [frame: string, because: string][] = [
  ['<22>1 ', 'nothing behind the version'],
  ['<22>1 x mx1 a 1 - - x', 'no time'],
  ['<22>1 2026-02-30T17:30:37Z mx1 a 1 - - x', 'an impossible time'],
  ['<22>1 2026-11-22T17:30:37Zmx1 a 1 - - x', 'no space behind the time'],
  ['<22>1 - mx1 a', 'cut off in the header'],
  ['<22>1 - mx1  1 - - x', 'an empty field'],
  ['<22>1 - mx1 a 1 - x', 'no structured data'],
  ['<22>1 - mx1 a 1 - [a b="c x', 'a value without end'],
  ['<22>1 - mx1 a 1 - [a b="c\\"] x', 'a value whose end is escaped'],
  ['<22>1 - mx1 a 1 - [a x', 'an element without end'],
  ['<22>1 - mx1 a 1 - [a]x', 'no space behind structured data'],
  ['<22>1 - mx1 a 1 - -x', 'no space behind nil'],
];

describe('RFC 3164, as it is really sent', () => {
  for (const [frame, expected, because] of rfc3164) {
    test(`${JSON.stringify(frame)}: ${because}`, () => assert.deepEqual(parseSyslog(frame, clock), { kind: 'message', message: expected }));
  }
});

describe('RFC 5424', () => {
  for (const [frame, expected, because] of rfc5424) {
    test(`${JSON.stringify(frame)}: ${because}`, () => assert.deepEqual(parseSyslog(frame, clock), { kind: 'message', message: expected }));
  }
  for (const [frame, because] of broken) {
    test(`${frame} is unparsed: ${because}`, () => assert.deepEqual(parseSyslog(frame, clock), { kind: 'unparsed', reason: 'header' }));
  }

  const printable = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 32,
  });
  const optional = fc.option(
    printable.filter((text) => text !== '-'),
    { nil: undefined },
  );
  const value = fc.string({
    unit: fc.oneof(fc.constantFrom('"', '\\', ']', '[', ' ', '='), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })),
  });
  const data = fc.option(
    fc
      .array(value, { minLength: 1, maxLength: 3 })
      .map((values) => values.map((text) => `[id@1 k="${text.replace(/["\\\]]/g, '\\$&')}"]`).join('')),
    { nil: undefined },
  );

  test('parse(format(message)) is the message', () => {
    fc.assert(
      fc.property(
        fc.record({
          facility: fc.integer({ min: 0, max: 23 }),
          severity: fc.integer({ min: 0, max: 7 }),
          stamp: fc.integer({ min: 0, max: 4e12 }).map((ms) => ({ ms, zoned: true, fraction: true })),
          hostname: optional,
          appName: optional,
          procId: optional,
          msgId: optional,
          structuredData: data.filter((text) => text === undefined || !/[\r\n\0]$/.test(text)),
          text: fc.string({ unit: 'binary' }).filter((text) => !/^[ \ufeff]|[\r\n\0]$/.test(text)),
          repeats: fc.constant(1),
        }),
        fc.constantFrom('', ' ', '\ufeff'),
        fc.constantFrom('', '\n', '\r\n', '\0'),
        (original, before, after) => {
          const { facility, severity, stamp, hostname, appName, procId, msgId, structuredData, text } = original;
          const fields = [
            new Date(stamp.ms).toISOString(),
            ...[hostname, appName, procId, msgId, structuredData].map((field) => field ?? '-'),
          ];
          const frame = `<${facility * 8 + severity}>1 ${fields.join(' ')} ${before}${text}${after}`;
          assert.deepEqual(parseSyslog(frame, clock), { kind: 'message', message: { ...original } });
        },
      ),
    );
  });
});

describe('any frame', () => {
  test('that is empty, or only framing, is unparsed', () => {
    for (const frame of ['', '\n', '\r\n', '\0\0', '\0\n'])
      assert.deepEqual(parseSyslog(frame, clock), { kind: 'unparsed', reason: 'empty' });
  });

  test('gives a message or a reason', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '<22>',
        '<',
        '>',
        '1 ',
        ' ',
        '-',
        '[',
        ']',
        '"',
        '\\',
        ':',
        'Nov 22 17:30:37',
        '2026-11-22T17:30:37Z',
        'mx1',
        'a[1]:',
        '\ufeff',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const frame = pieces.join('');
        const parsed = parseSyslog(frame, clock);
        if (parsed.kind === 'unparsed') return;
        assert.ok(frame.includes(parsed.message.text));
        assert.doesNotMatch(parsed.message.text, /[\r\n\0]$/);
      }),
      { numRuns: 5_000 },
    );
  });

  test('of hostile length takes time in proportion', () => {
    for (const hostile of ['[', '<22>1 - - - - - [a b="', '<22>Nov 22 17:30:37 ', 'a:', ':', '\\', '9', ' ']) {
      const frame = `<22>1 - - - - - ${hostile.repeat(1_000_000 / hostile.length)}`;
      const started = process.cpuUsage();
      parseSyslog(frame, clock);
      parseSyslog(frame.slice(16), clock);
      // Quadratic work on 1 MB would take minutes.
      assert.ok(process.cpuUsage(started).user < 2_000_000, hostile);
    }
  });
});
