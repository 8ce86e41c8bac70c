import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventTime, eventTime } from '../../src/decide/event-time.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { LogRecord, Origin } from '../../src/model/record.ts';

const peer = parseAddress('192.0.2.1');
assert.ok(peer);
const journal: Origin = { kind: 'journal', cursor: '', realtimeMs: 0 };
const file: Origin = { kind: 'file', path: '/var/log/mail.log', inode: 1n, offsetBytes: 0, head: '' };
const syslog: Origin = { kind: 'syslog', transport: 'udp', peer };

const nowMs = 10_000_000;
const maxSkewMs = 600_000;
const agoMs = (ms: number) => nowMs - ms;

type Record = Pick<LogRecord, 'stamp' | 'origin' | 'receivedMs' | 'catchingUp'>;
function record(
  origin: Origin,
  stampMs: number | undefined,
  more: { zoned?: boolean; catchingUp?: boolean; receivedMs?: number } = {},
): Record {
  const { zoned = false, catchingUp = false, receivedMs = nowMs } = more;
  return { origin, receivedMs, catchingUp, stamp: stampMs === undefined ? undefined : { ms: stampMs, zoned, fraction: false } };
}

const cases: readonly [because: string, record: Record, expected: EventTime][] = [
  ['no stamp: receive time', record(file, undefined, { receivedMs: agoMs(5) }), { atMs: agoMs(5), clamped: undefined }],
  ['a recent stamp is believed', record(syslog, agoMs(maxSkewMs)), { atMs: agoMs(maxSkewMs), clamped: undefined }],
  ['older than max_skew without a zone: receive time', record(syslog, agoMs(maxSkewMs + 1)), { atMs: nowMs, clamped: 'skew' }],
  ['the same from a file', record(file, agoMs(maxSkewMs + 1)), { atMs: nowMs, clamped: 'skew' }],
  ['a zone is believed', record(syslog, agoMs(9_000_000), { zoned: true }), { atMs: agoMs(9_000_000), clamped: undefined }],
  [
    'a file that catches up is believed',
    record(file, agoMs(9_000_000), { catchingUp: true }),
    { atMs: agoMs(9_000_000), clamped: undefined },
  ],
  ['the journal is always believed', record(journal, agoMs(9_000_000)), { atMs: agoMs(9_000_000), clamped: undefined }],
  ['nobody is believed from the future', record(journal, nowMs + 1), { atMs: nowMs, clamped: 'future' }],
  ['not with a zone either', record(syslog, nowMs + 60_000, { zoned: true }), { atMs: nowMs, clamped: 'future' }],
  ['a fraction of a millisecond is no future', record(journal, nowMs + 0.7), { atMs: nowMs, clamped: undefined }],
  [
    'never later than now, though the clock was set back since',
    record(file, undefined, { receivedMs: nowMs + 5_000 }),
    { atMs: nowMs, clamped: undefined },
  ],
];
for (const [because, each, expected] of cases) {
  test(`a record's time: ${because}`, () => assert.deepEqual(eventTime(each, { nowMs, maxSkewMs, mode: 'live' }), expected));
}

for (const stampMs of [agoMs(9_000_000), nowMs + 60_000]) {
  test(`in replay the stamp ${stampMs} stands`, () => {
    assert.deepEqual(eventTime(record(file, stampMs), { nowMs, maxSkewMs, mode: 'replay' }), { atMs: stampMs, clamped: undefined });
  });
}
test('in replay a line without a stamp has the time that it was read', () => {
  assert.equal(eventTime(record(file, undefined, { receivedMs: 7 }), { nowMs, maxSkewMs, mode: 'replay' }).atMs, 7);
});
