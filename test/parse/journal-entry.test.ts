import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type JournalEntry, parseJournalEntry } from '../../src/parse/journal-entry.ts';

const corpus = join(process.env['SLUICE_CORPUS'] ?? join(import.meta.dirname, '../../../shared/corpus'), 'postfix-real');

const someCursor = 's=66fd;i=7;b=d83d;m=ceac;t=660e;x=b1d6';
const base = {
  __CURSOR: someCursor,
  __REALTIME_TIMESTAMP: '1795368637810392',
  SYSLOG_IDENTIFIER: 'postfix/smtpd',
  SYSLOG_PID: '271',
  _COMM: 'smtpd',
  _PID: '999',
  MESSAGE: 'connect from mail.example[192.0.2.7]',
};

function lines(file: string): readonly string[] {
  return readFileSync(join(corpus, file), 'utf8').trimEnd().split('\n');
}

type Entry = JournalEntry & { kind: 'entry' };

function entry(fields: Record<string, unknown>): Entry {
  const parsed = parseJournalEntry(JSON.stringify({ ...base, ...fields }));
  assert.equal(parsed.kind, 'entry');
  return parsed;
}

const bytes = (text: string): number[] => [...Buffer.from(text, 'latin1')];

describe('a line of journalctl -o json', () => {
  test('becomes a message with the name, the process and the time that its fields say', () => {
    const { message, cursor, realtimeUs } = entry({ PRIORITY: '6', SYSLOG_FACILITY: '2', _HOSTNAME: 'mx1' });
    assert.deepEqual(message, {
      facility: 2,
      severity: 6,
      stamp: { ms: 1795368637810.392, zoned: true, fraction: true },
      hostname: 'mx1',
      appName: 'postfix/smtpd',
      procId: '271',
      msgId: undefined,
      structuredData: undefined,
      text: 'connect from mail.example[192.0.2.7]',
      repeats: 1,
    });
    assert.equal(cursor, someCursor);
    assert.equal(realtimeUs, 1795368637810392);
  });

  const texts: readonly [message: unknown, text: string, because: string][] = [
    ['', '', 'an empty message is a message'],
    ['two\nlines', 'two\nlines', 'LF inside is text'],
    ['end\r\n\0\n', 'end', 'LF, CR and NUL at the end are not'],
    ['a\u2028b\u0085c', 'a\u2028b\u0085c', 'U+2028 and U+0085 are text'],
    [bytes('a\x1b[31mb'), 'a\x1b[31mb', 'bytes that are not printable come as numbers'],
    [bytes('caf\xe9 x'), 'caf\ufffd x', 'bytes that are not UTF-8 are replaced, each by U+FFFD'],
    [[...Buffer.from('é\0')], 'é', 'numbers are UTF-8, and end like any text'],
    [['first', 'second'], 'first', 'of a field given twice the first counts'],
    [[bytes('a\x1bq'), 'second'], 'a\x1bq', 'also as bytes'],
    [[null, 'second'], 'second', 'what is no text is passed over'],
  ];
  for (const [message, text, because] of texts) {
    test(`${JSON.stringify(message)}: ${because}`, () => assert.equal(entry({ MESSAGE: message }).message.text, text));
  }

  const refused: readonly [line: string, reason: string, because: string][] = [
    ['', 'json', 'nothing'],
    ['{"__CURSOR":"s=1', 'json', 'half a line'],
    ['[1]', 'json', 'not an object'],
    ['null', 'json', 'not an object'],
    [JSON.stringify({ ...base, MESSAGE: undefined }), 'no_message', 'programs may log without MESSAGE'],
    [JSON.stringify({ ...base, MESSAGE: null }), 'no_message', 'too long for a journalctl without --all'],
    [JSON.stringify({ ...base, MESSAGE: [] }), 'no_message', 'no value'],
    [JSON.stringify({ ...base, MESSAGE: [256, -1] }), 'no_message', 'no bytes'],
    [JSON.stringify({ ...base, MESSAGE: { a: 1 } }), 'no_message', 'no form of journalctl'],
    [JSON.stringify({ ...base, __CURSOR: undefined }), 'header', 'no going on behind it'],
    [JSON.stringify({ ...base, __REALTIME_TIMESTAMP: 'soon' }), 'header', 'no time'],
  ];
  for (const [line, reason, because] of refused) {
    test(`is refused as ${reason} (${because}): ${line.slice(0, 40)}`, () => {
      const parsed = parseJournalEntry(line);
      assert.equal(parsed.kind === 'unparsed' && parsed.reason, reason);
    });
  }

  test('an entry without a message still tells where to go on', () => {
    assert.equal(parseJournalEntry(JSON.stringify({ ...base, MESSAGE: null })).cursor, someCursor);
  });

  test('the time of the sender, as the kernel took it, goes before the time of journald', () => {
    assert.equal(entry({ _SOURCE_REALTIME_TIMESTAMP: '1795368637809238' }).message.stamp?.ms, 1795368637809.238);
    assert.equal(
      entry({ SOURCE_REALTIME_TIMESTAMP: '1' }).message.stamp?.ms,
      1795368637810.392,
      'a client may say what it likes elsewhere',
    );
  });

  test('without an identifier and a pid of its own it has those of the process', () => {
    const { message } = entry({ SYSLOG_IDENTIFIER: undefined, SYSLOG_PID: undefined });
    assert.deepEqual([message.appName, message.procId], ['smtpd', '999']);
  });

  test('only what journald itself says is trusted', () => {
    const { trusted } = entry({ _UID: '1000', _SYSTEMD_UNIT: ['postfix.service', 'x'], UID: '0', __proto__: '1', _EXE: [1, 2] });
    assert.deepEqual(Object.fromEntries(trusted), { _COMM: 'smtpd', _PID: '999', _UID: '1000' });
  });

  test('numbers out of range are no facility and no severity', () => {
    const { message } = entry({ PRIORITY: '8', SYSLOG_FACILITY: '24' });
    assert.deepEqual([message.severity, message.facility], [undefined, undefined]);
  });
});

describe("journald's notice of suppressed messages", () => {
  const notice = {
    MESSAGE_ID: 'a596d6fe7bfa4994828e72309e95d61e',
    N_DROPPED: '42',
    OBJECT_SYSTEMD_UNIT: 'postfix@-.service',
    _TRANSPORT: 'driver',
  };
  test('tells how many, and of which unit', () => {
    assert.deepEqual(entry(notice).dropped, { count: 42, unit: 'postfix@-.service', slice: undefined });
  });
  test('is not believed when another process says the same', () => {
    assert.equal(entry({ ...notice, _TRANSPORT: 'journal' }).dropped, undefined);
    assert.equal(entry({ ...notice, MESSAGE_ID: 'b'.repeat(32) }).dropped, undefined);
  });
  test('counts one when the number is missing', () => {
    assert.equal(entry({ ...notice, N_DROPPED: undefined }).dropped?.count, 1);
  });
});

test('no line makes the parser throw', () => {
  const field = fc.oneof(fc.string(), fc.jsonValue(), fc.array(fc.integer({ min: -1, max: 256 })));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...Object.keys(base), '_UID', '__proto__', 'PRIORITY'), field), (fields) => {
      parseJournalEntry(JSON.stringify({ ...base, ...fields }));
    }),
  );
  fc.assert(
    fc.property(fc.string(), (line) => {
      parseJournalEntry(line);
    }),
  );
});

describe('the real journal of a Postfix', { skip: existsSync(corpus) ? false : 'left out: no corpus/postfix-real' }, () => {
  test('gives the texts, programs and processes of the 1128 lines of mail.log', () => {
    const header = /^\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ ([^\s[:]+)(?:\[(\d+)\])?: (.*)$/s;
    const expected = lines('mail-traditional.log').map((line) => header.exec(line)?.slice(1));
    const found = lines('journal.jsonl').map((line) => {
      const parsed = parseJournalEntry(line);
      if (parsed.kind === 'unparsed') return parsed.reason;
      return [parsed.message.appName, parsed.message.procId, parsed.message.text];
    });
    assert.equal(found.length, 1128);
    // rsyslog writes a tag without its pid where the sender gave none; the journal knows the process all the same.
    assert.deepEqual(
      found.map((one, index) => (expected[index]?.[1] === undefined && Array.isArray(one) ? [one[0], undefined, one[2]] : one)),
      expected,
    );
  });
});
