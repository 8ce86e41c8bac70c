import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { type UtmpRecord, parseUtmp, sessionsOfUtmp, sessionsOfWtmp, utmpLayoutOf, utmpLayouts } from '../../src/host/utmp.ts';
import { parseAddress } from '../../src/model/address.ts';
import { program, without } from '../environment.ts';

const nowMs = Date.parse('2026-11-22T20:00:00Z');
const minutes = (count: number) => nowMs + count * 60_000;

interface Written {
  readonly type: 2 | 7 | 8;
  readonly line: string;
  readonly user?: string;
  readonly host?: string;
  readonly address?: string;
  readonly atMs: number;
}

/** The bytes that util-linux' own tool writes for these records, for the layout of x86-64. */
function utmpdump(records: readonly Written[]): Buffer {
  const lines = records.map(({ type, line, user = '', host = '', address = '0.0.0.0', atMs }) => {
    const time = new Date(atMs).toISOString().replace(/\.(\d{3})Z$/, ',$1000+00:00');
    return `[${type}] [01234] [ts/0] [${user.padEnd(8)}] [${line.padEnd(12)}] [${host.padEnd(20)}] [${address.padEnd(15)}] [${time}]\n`;
  });
  return execFileSync(program('utmpdump') ?? 'utmpdump', ['-r'], { input: lines.join(''), stdio: ['pipe', 'pipe', 'ignore'] });
}

/** A record as glibc lays it out on arm64: a long session and 64-bit times. */
function longRecord({ user, host, seconds }: { readonly user: string; readonly host: string; readonly seconds: number }): Buffer {
  const record = Buffer.alloc(utmpLayouts.long.recordBytes);
  record.writeInt16LE(7, 0);
  record.write('pts/3', 8);
  record.write(user, 44);
  record.write(host, 76);
  record.writeBigInt64LE(BigInt(seconds), 344);
  Buffer.from('20010db8000000000000000000000007', 'hex').copy(record, 360);
  return record;
}

describe('records of utmp', () => {
  test('are read as utmpdump writes them: type, line, user, both families, seconds', { skip: without('utmpdump') }, () => {
    const bytes = utmpdump([
      { type: 7, line: 'pts/0', user: 'alice', host: 'dial-in.example.com', address: '192.0.2.7', atMs: minutes(-20) },
      { type: 7, line: 'pts/1', user: 'bob', host: '2001:db8::9', address: '2001:db8::9', atMs: minutes(-10) },
      { type: 8, line: 'pts/0', atMs: minutes(-5) },
    ]);
    assert.deepEqual(parseUtmp(bytes, utmpLayouts.short), [
      { kind: 'login', line: 'pts/0', user: 'alice', address: parseAddress('192.0.2.7'), atMs: minutes(-20) },
      { kind: 'login', line: 'pts/1', user: 'bob', address: parseAddress('2001:db8::9'), atMs: minutes(-10) },
      { kind: 'logout', line: 'pts/0', user: '', address: undefined, atMs: minutes(-5) },
    ]);
  });
  test('of arm64 are 400 bytes long', () => {
    const bytes = longRecord({ user: 'carol', host: 'a name', seconds: nowMs / 1_000 });
    assert.deepEqual(parseUtmp(bytes, utmpLayouts.long), [
      { kind: 'login', line: 'pts/3', user: 'carol', address: parseAddress('2001:db8::7'), atMs: nowMs },
    ]);
  });
  test('that are cut short are left out', () => {
    const bytes = longRecord({ user: 'carol', host: '', seconds: 1 });
    assert.equal(parseUtmp(bytes.subarray(0, 399), utmpLayouts.long).length, 0);
  });
  test('name no host but by address: a name is never looked up', { skip: without('utmpdump') }, () => {
    const login = { type: 7, line: 'pts/0', user: 'alice', atMs: nowMs } as const;
    const addresses = parseUtmp(
      utmpdump([
        { ...login, host: 'host.example.com' },
        { ...login, host: '192.0.2.8' },
      ]),
      utmpLayouts.short,
    );
    assert.deepEqual(
      addresses.map(({ address }) => address),
      [undefined, parseAddress('192.0.2.8')],
    );
  });

  const layouts: readonly [sizeBytes: number, architecture: string, layout: keyof typeof utmpLayouts][] = [
    [384 * 3, 'x64', 'short'],
    [400 * 3, 'arm64', 'long'],
    [384 * 3, 'arm64', 'short'],
    [400 * 3, 'x64', 'long'],
    [384 * 3 + 7, 'x64', 'short'],
    [0, 'arm64', 'long'],
  ];
  for (const [sizeBytes, architecture, layout] of layouts) {
    test(`in a file of ${sizeBytes} bytes on ${architecture} have the ${layout} layout`, () => {
      assert.equal(utmpLayoutOf(sizeBytes, architecture), utmpLayouts[layout]);
    });
  }
});

function logout(line: string, atMs: number): UtmpRecord {
  return { kind: 'logout', line, user: '', address: undefined, atMs };
}

describe('sessions', () => {
  const from = parseAddress('192.0.2.7');
  const login = (line: string, atMs: number, address = from): UtmpRecord => ({ kind: 'login', line, user: 'alice', address, atMs });

  test('in utmp are those of logins with an address', () => {
    const records = [login('pts/0', minutes(-600)), logout('pts/1', minutes(-1)), { ...login('tty1', nowMs), address: undefined }];
    assert.deepEqual(sessionsOfUtmp(records, nowMs), [{ address: from, user: 'alice', seenMs: nowMs }]);
  });

  const cases: readonly [what: string, records: readonly UtmpRecord[], seenMs: readonly number[]][] = [
    ['a login within the hour', [login('pts/0', minutes(-59))], [minutes(-59)]],
    ['a login before that, with no logout', [login('pts/0', minutes(-61))], []],
    ['a logout within the hour of a login long ago', [login('pts/0', minutes(-900)), logout('pts/0', minutes(-30))], [minutes(-30)]],
    ['a logout before that', [login('pts/0', minutes(-900)), logout('pts/0', minutes(-61))], []],
    ['a logout on another line', [login('pts/0', minutes(-900)), logout('pts/1', minutes(-30))], []],
    [
      'a line that somebody else had since',
      [login('pts/0', minutes(-900)), { ...login('pts/0', minutes(-800)), address: undefined }, logout('pts/0', minutes(-30))],
      [],
    ],
    [
      'whoever was in when the machine went down within the hour',
      [
        login('pts/0', minutes(-900)),
        { kind: 'boot', line: '~', user: 'reboot', address: undefined, atMs: minutes(-10) },
        logout('pts/0', minutes(-5)),
      ],
      [minutes(-10)],
    ],
  ];
  for (const [what, records, seenMs] of cases) {
    test(`in wtmp: ${what}: ${seenMs.length === 0 ? 'no' : 'yes'}`, () => {
      assert.deepEqual(
        sessionsOfWtmp(records, nowMs).map((session) => session.seenMs),
        seenMs,
      );
    });
  }
});
