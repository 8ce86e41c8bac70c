import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createNameLookup } from '../../src/act/name-lookup.ts';
import { createHostNames } from '../../src/act/own-names.ts';
import { parseAddress } from '../../src/model/address.ts';

const types = { a: 1, ptr: 12, aaaa: 28 } as const;

/** Answers by name and type; a name that is not there does not exist, one with `silence` gets no answer. */
const zone: Readonly<Record<string, Readonly<Partial<Record<number, readonly Buffer[]>>> | 'silence'>> = {
  'two.example': {
    [types.a]: [Buffer.from([192, 0, 2, 1]), Buffer.from([192, 0, 2, 2])],
    [types.aaaa]: [Buffer.from('20010db8000000000000000000000001', 'hex')],
  },
  'many.example': { [types.a]: Array.from({ length: 40 }, (_, index) => Buffer.from([192, 0, 2, index])) },
  'silent.example': 'silence',
  '4.2.0.192.in-addr.arpa': { [types.ptr]: [Buffer.from('\x05names\x07example\0', 'latin1')] },
};

/** The smallest server of DNS (RFC 1035 section 4.1). */
function answer(query: Buffer): Buffer | undefined {
  let at = 12;
  const labels: string[] = [];
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const known = zone[labels.join('.').toLowerCase()];
  asked.push(labels.join('.'));
  if (known === 'silence') return undefined;
  const records = known?.[type] ?? [];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const body = records.map((data) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, query.subarray(12, at + 5), ...body]);
}

const asked: string[] = [];

describe('a name of the log', () => {
  let server: Socket;
  let servers: readonly string[];
  before(async () => {
    server = createSocket('udp4');
    server.on('message', (query, { port, address }) => {
      const reply = answer(query);
      if (reply !== undefined) server.send(reply, port, address);
    });
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    servers = [`127.0.0.1:${server.address().port}`];
  });
  after(() => server.close());
  beforeEach(() => {
    asked.length = 0;
  });

  test('is asked for in both families, and known for five minutes', async () => {
    let nowMs = 0;
    const names = createNameLookup({ nowMs: () => nowMs, servers });
    const expected = ['192.0.2.1', '192.0.2.2', '2001:db8::1'];
    assert.deepEqual(await Promise.all([names.lookup('two.example'), names.lookup('Two.Example.')]), [expected, expected]);
    assert.equal(asked.length, 2, 'once for each family');
    nowMs = 299_999;
    assert.deepEqual(await names.lookup('two.example'), expected);
    assert.equal(asked.length, 2);
    nowMs = 300_000;
    assert.deepEqual(await names.lookup('two.example'), expected);
    assert.equal(asked.length, 4);
  });

  test('has 16 addresses at most', async () => {
    const names = createNameLookup({ nowMs: () => 0, servers });
    assert.equal((await names.lookup('many.example')).length, 16);
  });

  test('has none if it does not exist, and that is known too', async () => {
    const names = createNameLookup({ nowMs: () => 0, servers });
    for (const _ of [1, 2]) assert.deepEqual(await names.lookup('none.example'), []);
    assert.equal(asked.length, 2);
  });

  test('is not asked for if it cannot be the name of a host', async () => {
    const names = createNameLookup({ nowMs: () => 0, servers });
    for (const name of [
      '',
      '192.0.2.1',
      '-a.example',
      'a..example',
      'a b',
      'a;b.example',
      `${'a'.repeat(64)}.example`,
      'ä.example',
      '$(id)',
    ]) {
      assert.deepEqual(await names.lookup(name), [], name);
    }
    assert.deepEqual(asked, []);
  });

  test('has none when nobody answers for two seconds; a hundred may wait', async () => {
    const dropped: string[] = [];
    const names = createNameLookup({ nowMs: () => 0, servers, onDropped: (name) => dropped.push(name) });
    const waiting = [names.lookup('silent.example'), ...Array.from({ length: 99 }, async (_, index) => names.lookup(`n${index}.example`))];
    const last = names.lookup('one-too-many.example');
    assert.deepEqual(await last, []);
    assert.deepEqual(dropped, ['one-too-many.example']);
    const from = Date.now();
    assert.deepEqual((await Promise.all(waiting)).flat(), []);
    assert.ok(Date.now() - from < 4_000);
    names.stop();
  });

  test('of an address is what its owner says', async () => {
    const names = createHostNames(servers);
    const [known, unknown] = [parseAddress('192.0.2.4'), parseAddress('192.0.2.5')];
    assert.ok(known !== undefined && unknown !== undefined);
    assert.equal(await names.nameOf(known), 'names.example');
    assert.equal(await names.nameOf(unknown), undefined);
    assert.match(await names.full(), /^[\w.-]+$/);
  });
});
