import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createJournalFramer } from '../../src/frame/journal-framer.ts';
import { createEntryParser, type JournalEntry } from '../../src/parse/journal-entry.ts';
import { exported } from '../support/journal-export.ts';

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

const parse = createEntryParser();

function parsed(bytes: Buffer): JournalEntry {
  return parse(bytes, 0, bytes.length);
}

type Entry = JournalEntry & { kind: 'entry' };

function entry(fields: Record<string, unknown>): Entry {
  const read = parsed(exported({ ...base, ...fields }));
  assert.equal(read.kind, 'entry');
  return read;
}

const bytes = (text: string): number[] => [...Buffer.from(text, 'latin1')];

describe('an entry of journalctl -o export', () => {
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
    [bytes('a\x1b[31mb'), 'a\x1b[31mb', 'bytes that are not printable are text'],
    [bytes('caf\xe9 x'), 'caf\ufffd x', 'bytes that are not UTF-8 are replaced, each by U+FFFD'],
    [[...Buffer.from('é\0')], 'é', 'so do bytes that are UTF-8'],
    [['first', 'second'], 'first', 'of a field given twice the first counts'],
    [[bytes('a\x1bq'), 'second'], 'a\x1bq', 'also as bytes'],
  ];
  for (const [message, text, because] of texts) {
    test(`${JSON.stringify(message)}: ${because}`, () => assert.equal(entry({ MESSAGE: message }).message.text, text));
  }

  const whole = exported(base).toString('latin1');
  const refused: readonly [bytes: string, reason: string, because: string][] = [
    ['', 'decode', 'nothing'],
    [whole.slice(0, 40), 'decode', 'half a field'],
    [whole.slice(0, -1), 'decode', 'no blank line at its end'],
    [`${whole.slice(0, -1)}X\n\x05\0\0\0\0\0\0\0abc\n\n`, 'decode', 'a length beyond the end'],
    [`${whole.slice(0, -1)}X\n\xff\xff\xff\xff\xff\xff\xff\xffabc\n\n`, 'decode', 'a length that nothing has'],
    [`${whole.slice(0, -1)}X\n\x02\0\0\0\0\0\0\0abc\n\n`, 'decode', 'no LF behind the value'],
    [exported({ ...base, MESSAGE: [] }).toString('latin1'), 'no_message', 'programs may log without MESSAGE'],
    [exported({ ...base, __CURSOR: [] }).toString('latin1'), 'header', 'no going on behind it'],
    [exported({ ...base, __CURSOR: ['a', 'b'] }).toString('latin1'), 'header', 'two places'],
    [exported({ ...base, __REALTIME_TIMESTAMP: 'soon' }).toString('latin1'), 'header', 'no time'],
  ];
  for (const [bytes, reason, because] of refused) {
    test(`is refused as ${reason}: ${because}`, () => {
      const read = parsed(Buffer.from(bytes, 'latin1'));
      assert.equal(read.kind === 'unparsed' && read.reason, reason);
    });
  }

  test('an entry without a message still tells where to go on', () => {
    assert.equal(parsed(exported({ ...base, MESSAGE: [] })).cursor, someCursor);
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
    const { trusted } = entry({ _UID: '1000', _SYSTEMD_UNIT: ['postfix.service', 'x'], UID: '0', _EXE: [1, 2] });
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

/** The same entry, read as its JSON form is documented: what came several times, or not as text, is not believed; of texts the first counts. */
function expected(fields: Readonly<Record<string, unknown>>): unknown {
  const first = (name: string): string | undefined => {
    const value = fields[name];
    if (typeof value === 'string') return value;
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const items: readonly unknown[] = typeof value[0] === 'number' ? [value] : value;
    return typeof items[0] === 'string' ? items[0] : Buffer.from(items[0] as number[]).toString('utf8');
  };
  const plain = (name: string): unknown => (typeof fields[name] === 'string' ? fields[name] : undefined);
  return {
    text: first('MESSAGE')?.replace(/[\n\r\0]+$/, ''),
    appName: first('SYSLOG_IDENTIFIER') ?? first('_COMM'),
    procId: first('SYSLOG_PID') ?? plain('_PID'),
    unit: plain('_SYSTEMD_UNIT'),
  };
}

test('entries read as their JSON form says, alone and out of a stream cut anywhere', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !/[\p{Cc}\p{Surrogate}]/u.test(value));
  // As journalctl writes bytes: at least one is not printable.
  const notText = fc.uint8Array({ maxLength: 20 }).map((value) => [...value, 0x1b]);
  const field = fc.oneof(text, notText, fc.array(fc.oneof(text, notText), { minLength: 2, maxLength: 3 }));
  const names = fc.constantFrom(
    'MESSAGE',
    'SYSLOG_IDENTIFIER',
    'SYSLOG_PID',
    '_COMM',
    '_PID',
    '_SYSTEMD_UNIT',
    'OTHER',
    '__proto',
    'constructor',
  );
  const entries = fc.array(
    fc.dictionary(names, field).map((fields): Record<string, unknown> => ({ ...base, ...fields })),
    { minLength: 1, maxLength: 4 },
  );
  const shown = (read: JournalEntry): unknown => {
    assert.equal(read.kind, 'entry');
    const { message, trusted } = read;
    return { text: message.text, appName: message.appName, procId: message.procId, unit: trusted.get('_SYSTEMD_UNIT') };
  };
  fc.assert(
    fc.property(entries, fc.nat(), (all, place) => {
      const bytes = Buffer.concat(all.map(exported));
      const framer = createJournalFramer({ maxEntryBytes: 100_000 });
      const at = place % bytes.length;
      const batches = [bytes.subarray(0, at), bytes.subarray(at)].flatMap((chunk) => framer.push(chunk).batches);
      const read = batches.flatMap((batch) =>
        Array.from({ length: batch.spans.length / 2 }, (_, i) => parse(batch.bytes, batch.spans[2 * i] ?? 0, batch.spans[2 * i + 1] ?? 0)),
      );
      assert.deepEqual(read.map(shown), all.map(expected));
      assert.deepEqual(
        all.map((each) => shown(parsed(exported(each)))),
        all.map(expected),
      );
    }),
    { numRuns: 500 },
  );
});

test('what an entry says does not depend on those before it', () => {
  // Values whose bytes, as characters, are other values; that repeat; that are too long to be remembered; fields given twice, or not at all.
  const value = fc.constantFrom('', 'a', '=', 'é', 'Ã©', [0xe9], [0xc3], '\u001b', 'two\nlines', 'x'.repeat(70), ['a', 'b'], undefined);
  const fields = fc.record({ MESSAGE: value, SYSLOG_IDENTIFIER: value, _COMM: value, _UID: value, _SYSTEMD_UNIT: value, _OTHER: value });
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 6 }), (entries) => {
      for (const changed of entries) {
        const bytes = exported({ ...base, ...changed });
        assert.deepEqual(parsed(bytes), createEntryParser()(bytes, 0, bytes.length));
      }
    }),
  );
});

test('many fields without text take no time for each other', () => {
  const field = Buffer.concat([Buffer.from('F\n'), Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('\u0001\n')]);
  const bytes = Buffer.concat([exported(base).subarray(0, -1), ...Array<Buffer>(80_000).fill(field), Buffer.from('\n')]);
  assert.equal(parsed(bytes).kind, 'entry');
});

test('no bytes make the parser throw', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('MESSAGE', '=', '\n', '\x02\0\0\0\0\0\0\0', '__CURSOR=s', '_PID').map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
      parsed(Buffer.concat(parts));
    }),
  );
});

describe('the real journal of a Postfix', { skip: existsSync(corpus) ? false : 'left out: no corpus/postfix-real' }, () => {
  test('gives the texts, programs and processes of the 1128 lines of mail.log', () => {
    const header = /^\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ ([^\s[:]+)(?:\[(\d+)\])?: (.*)$/s;
    const expected = lines('mail-traditional.log').map((line) => header.exec(line)?.slice(1));
    const found = lines('journal.jsonl').map((line) => {
      const read = parsed(exported(JSON.parse(line) as Record<string, unknown>));
      if (read.kind === 'unparsed') return read.reason;
      return [read.message.appName, read.message.procId, read.message.text];
    });
    assert.equal(found.length, 1128);
    // rsyslog writes a tag without its pid where the sender gave none; the journal knows the process all the same.
    assert.deepEqual(
      found.map((one, index) => (expected[index]?.[1] === undefined && Array.isArray(one) ? [one[0], undefined, one[2]] : one)),
      expected,
    );
  });
});
