import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { findFilter } from '../../src/find-filter.ts';
import { createMatcher } from '../../src/match/matcher.ts';
import type { Filter } from '../../src/model/filter.ts';
import type { LogRecord } from '../../src/model/record.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import { deliverRegion } from '../../src/receive/file-lines.ts';
import { siftRegion, splitRegion } from '../../src/receive/log-regions.ts';
import { deliverFrames } from '../../src/receive/syslog-records.ts';
import { parseLine, recordOf } from '../../src/offline/recognise.ts';
import { createRulesSieve } from '../../src/sieve/rules-sieve.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const filters: readonly Filter[] = ['postfix', 'sshd', 'dovecot', 'pam'].flatMap((name) => {
  const found = findFilter(name);
  return 'filter' in found ? [found.filter] : [];
});

const rulesSieve = createRulesSieve(filters);

const nowMs = Date.UTC(2026, 9, 19);
const clock = { nowMs, timezone: 'UTC' };

const message = fc.constantFrom(
  'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <a@b.example>: Relay access denied; from=<c@d.example>',
  'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 450 4.3.2 <a@b.example>: Relay access denied; from=<c@d.example>',
  '3A1B2C3: client=unknown[192.0.2.5]',
  '3A1B2C3: reject: header Subject: x from a[203.0.113.66]; from=<c@d.example>',
  'warning: unknown[192.0.2.6]: SASL LOGIN authentication failed: UGFzc3dvcmQ6',
  "warning: unknown[192.0.2.6]: SASL LOGIN authentication failed: Can't connect to authentication server",
  'connect from mail.example[192.0.2.7]',
  'Failed password for invalid user root from 192.0.2.8 port 22 ssh2',
  'message repeated 3 times: [ Failed password for invalid user root from 192.0.2.8 port 22 ssh2]',
  'message repeated 2 times: [ connect from mail.example[192.0.2.7]]',
  'NOQUEUE: rejec: reject: reject:',
  '',
);
const program = fc.constantFrom('postfix/smtpd[7]', 'postfix/cleanup[8]', 'sshd[9]', 'sshd[9]', 'dovecot', 'cron[1]');
const line = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(program, message).map(([tag, text]) => `Oct 18 01:20:09 mx ${tag}: ${text}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }).map((text) => text.replaceAll('\n', ' ')) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\0\0Oct 18 01:20:09 mx sshd[9]: \xff', 'Oct 18 01:20:09 mx postfix/smtpd[7]: a: reject: \r', 'reject: '),
  },
);
const log = fc.array(line, { maxLength: 40 }).map((lines) => lines.join('\n'));

test('test finds the same, at the same line numbers, with and without the sieve', () => {
  fc.assert(
    fc.property(log, fc.boolean(), (text, ended) => {
      const region = Buffer.from(ended && text !== '' ? `${text}\n` : text);
      const run = (split: (line: (text: string, number: number) => void) => number) => {
        const matcher = createMatcher(filters);
        const found: unknown[] = [];
        const end = split((each, number) => {
          const parsed = parseLine(each, clock);
          const recognised = parsed === undefined ? undefined : matcher.match(recordOf(parsed, 'test', nowMs));
          if (recognised !== undefined && (recognised.detections.length > 0 || recognised.none.length > 0))
            found.push([number, recognised]);
        });
        return { found, end };
      };
      assert.deepEqual(
        run((each) => siftRegion(region, 1, rulesSieve, each)),
        run((each) => splitRegion(region, 1, each)),
      );
    }),
    { numRuns: 200 },
  );
});

/** What comes of the records: decisions depend on nothing else. */
function judged(records: readonly LogRecord[]): readonly unknown[] {
  const matcher = createMatcher(filters);
  return records.flatMap((record) => {
    const recognised = matcher.match(record);
    return recognised.detections.length + recognised.none.length > 0 ? [{ record, recognised }] : [];
  });
}

test('a file gives the same matches, positions and counts with and without the sieve', () => {
  fc.assert(
    fc.property(log, (text) => {
      const bytes = Buffer.from(`${text}\n`);
      const read = (sieve: ReturnType<typeof createRulesSieve> | undefined) => {
        const sink = recordedSink();
        const context = { ...clock, program: undefined };
        const of = { source: 's', path: '/x', inode: 1n, head: '', catchingUp: true, context, parse: parseFileLine, sieve };
        const handed = deliverRegion(bytes, 100, { ...of, previous: undefined, paused: () => false }, sink);
        return { handed, judged: judged(sink.records), total: sink.total() };
      };
      assert.deepEqual(read(rulesSieve), read(undefined));
    }),
    { numRuns: 200 },
  );
});

test('the last line of what was read carries the position, whatever it says', () => {
  const bytes = Buffer.from('Oct 18 01:20:09 mx cron[1]: a\nOct 18 01:20:09 mx cron[1]: b\nOct 18 01:20:09 mx cron[1]: c\n');
  const sink = recordedSink();
  const of = {
    source: 's',
    path: '/x',
    inode: 1n,
    head: '',
    catchingUp: true,
    context: { ...clock, program: undefined },
    parse: parseFileLine,
  };
  deliverRegion(bytes, 100, { ...of, sieve: createRulesSieve(filters), previous: undefined, paused: () => false }, sink);
  assert.deepEqual(
    sink.records.map((record) => record.origin.kind === 'file' && record.origin.offsetBytes),
    [100 + bytes.length],
  );
});

test('frames give the same matches with and without the sieve, framed by LF or packed without a byte between them', () => {
  fc.assert(
    fc.property(log, fc.boolean(), (text, packed) => {
      const frames = text.split('\n').map((each) => `<22>${each}`);
      const bytes = Buffer.from(frames.join(packed ? '' : '\n'));
      const spans: number[] = [];
      let at = 0;
      for (const frame of frames) {
        spans.push(at, at + Buffer.byteLength(frame));
        at += Buffer.byteLength(frame) + (packed ? 0 : 1);
      }
      const read = (find: ((bytes: Buffer, start: number, end: number) => number) | undefined) => {
        const sink = recordedSink();
        const origin = { kind: 'file', path: '', inode: 0n, offsetBytes: 0, head: '' } as const;
        deliverFrames({ bytes, spans }, { source: 's', origin, shown: 's', trust: 'full', previous: undefined }, sink, clock, find);
        return judged(sink.records);
      };
      assert.deepEqual(read(rulesSieve.find), read(undefined));
    }),
    { numRuns: 200 },
  );
});

test('a reload that brings a pattern of which nothing is required lets every line through', () => {
  const sieve = createRulesSieve(filters);
  const bytes = Buffer.from('connect\nconnect\n');
  assert.equal(sieve.find(bytes, 3, 16), 16);
  const [first] = filters;
  assert.ok(first?.patterns[0] !== undefined);
  sieve.use([...filters, { ...first, patterns: [{ ...first.patterns[0], literals: [] }] }]);
  assert.equal(sieve.find(bytes, 3, 16), 3);
  assert.equal(sieve.lineStart(), 3);
  sieve.use(filters);
  assert.equal(sieve.find(bytes, 3, 16), 16);
});
