import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { describe, test } from 'node:test';
import { RefusalError } from '../../src/control/protocol.ts';
import { address, createSampleDaemon, prefix, sampleBan, sampleBans, sampleJail, sampleStatus } from './sample-daemon.ts';
import { exchange, serve } from './running-control.ts';

describe('the control server answers', () => {
  const documents: readonly [path: string, expected: unknown][] = [
    ['/v1/status', sampleStatus],
    ['/v1/jails/postfix-auth', sampleJail],
    ['/v1/bans', { bans: sampleBans }],
    ['/v1/bans?jail=manual', { bans: [sampleBans[1]] }],
    ['/v1/bans?jail=postfix-noise', { bans: [sampleBans[2]] }],
    ['/v1/config', { file: null, values: [{ path: ['defaults', 'maxretry'], value: 5, from: null }] }],
  ];
  for (const [path, expected] of documents) {
    test(`GET ${path} with one JSON document`, async (t) => {
      const { socketPath } = await serve(t, createSampleDaemon().api);
      const { status, text } = await exchange(socketPath, { path });
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(text), expected);
    });
  }

  test('an empty list of bans is a list', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon({ bans: () => [] }).api);
    assert.deepEqual(JSON.parse((await exchange(socketPath, { path: '/v1/bans' })).text), { bans: [] });
  });

  test('a list of 100,000 bans is complete, and other requests are answered while it is sent', async (t) => {
    const many = Array.from({ length: 100_000 }, (_, index) => ({ ...sampleBan, count: index }));
    let taken = 0;
    let takenAtPing = 0;
    const daemon = createSampleDaemon({
      ping: () => {
        takenAtPing = taken;
        return { version: '0.1.0', pid: 1, started: sampleStatus.started };
      },
      bans: function* () {
        for (const ban of many) {
          taken++;
          yield ban;
        }
      },
    });
    const { socketPath } = await serve(t, daemon.api);
    const [list] = await Promise.all([exchange(socketPath, { path: '/v1/bans' }), exchange(socketPath, { path: '/v1/ping' })]);
    const { bans } = JSON.parse(list.text) as { bans: { count: number }[] };
    assert.equal(bans.length, many.length);
    assert.ok(bans.every(({ count }, index) => count === index));
    assert.ok(takenAtPing < many.length, 'the ping waited for the whole list');
  });

  test('explain takes every spelling of an address and passes on the canonical one', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    for (const [asked, canonical] of [
      ['2001:0DB8:0:0::1', '2001:db8::1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['192.0.2.1', '192.0.2.1'],
    ] as const) {
      const { text } = await exchange(socketPath, { path: `/v1/explain?address=${encodeURIComponent(asked)}` });
      assert.equal((JSON.parse(text) as { address: string }).address, canonical);
    }
  });

  test('metrics are the text that the daemon gives', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon({ metrics: () => Promise.resolve('sluice_up 1\n') }).api);
    assert.deepEqual(await exchange(socketPath, { path: '/v1/metrics' }), { status: 200, text: 'sluice_up 1\n' });
  });
});

describe('what acts reaches the daemon parsed', () => {
  test('an address stays an address, a network is masked, permanent is Infinity', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const body = JSON.stringify({ targets: ['::ffff:192.0.2.1', '2001:db8::1/64'], jail: 'postfix-auth', forMs: null });
    const { status } = await exchange(socketPath, { method: 'POST', path: '/v1/ban', body });
    assert.equal(status, 200);
    assert.deepEqual(daemon.calls, [
      {
        ban: {
          targets: [
            { kind: 'address', address: address('192.0.2.1') },
            { kind: 'prefix', prefix: prefix('2001:db8::/64') },
          ],
          jail: 'postfix-auth',
          forMs: Infinity,
        },
      },
    ]);
  });

  test('without a length of time a ban lasts as the jail would, an allow for good', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const body = JSON.stringify({ targets: ['2001:db8::1'] });
    await exchange(socketPath, { method: 'POST', path: '/v1/ban', body });
    await exchange(socketPath, { method: 'POST', path: '/v1/allow', body });
    await exchange(socketPath, { method: 'POST', path: '/v1/disallow', body });
    assert.deepEqual(daemon.calls, [
      { ban: { targets: [{ kind: 'address', address: address('2001:db8::1') }], jail: undefined, forMs: undefined } },
      { allow: { prefixes: [prefix('2001:db8::1/128')], forMs: Infinity } },
      { disallow: { prefixes: [prefix('2001:db8::1/128')] } },
    ]);
  });

  for (const everything of ['0.0.0.0/0', '::/0']) {
    test(`allow ${everything} is refused: nobody would ever be banned; taking it back is not`, async (t) => {
      const daemon = createSampleDaemon();
      const { socketPath } = await serve(t, daemon.api);
      const body = JSON.stringify({ targets: ['192.0.2.1', everything] });
      const { status, text } = await exchange(socketPath, { method: 'POST', path: '/v1/allow', body });
      assert.equal(status, 400);
      assert.match(text, /is every address: nobody would ever be banned/);
      assert.deepEqual(daemon.calls, []);
      assert.equal((await exchange(socketPath, { method: 'POST', path: '/v1/disallow', body })).status, 200);
    });
  }

  test('a reply comes when the daemon has done it, not before', async (t) => {
    const asked = Promise.withResolvers<void>();
    const done = Promise.withResolvers<{ results: [] }>();
    const { socketPath } = await serve(
      t,
      createSampleDaemon({
        unban: () => {
          asked.resolve();
          return done.promise;
        },
      }).api,
    );
    let answered = false;
    const reply = exchange(socketPath, { method: 'POST', path: '/v1/unban', body: '{"all":true}' }).then((got) => {
      answered = true;
      return got;
    });
    await asked.promise;
    await exchange(socketPath, { path: '/v1/ping' });
    assert.equal(answered, false);
    done.resolve({ results: [] });
    assert.equal((await reply).status, 200);
  });
});

describe('what cannot be answered gets a reason in JSON', () => {
  const ban = { method: 'POST', path: '/v1/ban' };
  const refusals: readonly [what: { method?: string; path: string; body?: string }, status: number, code: string, message: RegExp][] = [
    [{ path: '/' }, 404, 'unknown_path', /nothing answers at \//],
    [{ path: '/v2/status' }, 404, 'unknown_path', /\/v2\/status/],
    [{ path: '/v1/status/' }, 404, 'unknown_path', /\/v1\/status\//],
    [{ path: '/v1/ban' }, 405, 'method', /wants POST/],
    [{ method: 'POST', path: '/v1/status', body: '{}' }, 405, 'method', /wants GET/],
    [{ path: '/v1/jails/postfix-auht' }, 404, 'unknown_jail', /did you mean "postfix-auth"\? Jails: postfix-auth, postfix-noise, manual$/],
    [{ path: '/v1/jails/' }, 404, 'unknown_jail', /no jail ""/],
    [{ path: '/v1/jails/%E0%A4%A' }, 400, 'usage', /cannot be read/],
    [{ path: '/v1/bans?jail=%1b%5b31mred' }, 404, 'unknown_jail', /\\x1b\[31mred/],
    [{ path: '/v1/explain' }, 400, 'usage', /not an address: ""/],
    [{ path: '/v1/explain?address=010.0.0.1' }, 400, 'usage', /not an address: "010.0.0.1"/],
    [{ path: '/v1/explain?address=192.0.2.0%2F24' }, 400, 'usage', /not an address/],
    [{ path: '/v1/events?last=-1' }, 400, 'usage', /not a number of events/],
    [{ ...ban, body: '' }, 400, 'usage', /not JSON/],
    [{ ...ban, body: '{"targets":' }, 400, 'usage', /not JSON/],
    [{ ...ban, body: 'null' }, 400, 'usage', /the body/],
    [{ ...ban, body: '[]' }, 400, 'usage', /the body|targets/],
    [{ ...ban, body: '{}' }, 400, 'usage', /targets/],
    [{ ...ban, body: '{"targets":[]}' }, 400, 'usage', /targets/],
    [{ ...ban, body: '{"targets":[7]}' }, 400, 'usage', /targets\.0/],
    [{ ...ban, body: '{"targets":["192.0.2.1"],"jial":"x"}' }, 400, 'usage', /jial/],
    [{ ...ban, body: '{"targets":["192.0.2.1"],"forMs":-1}' }, 400, 'usage', /forMs/],
    [{ ...ban, body: '{"targets":["192.0.2.1"],"forMs":1e999}' }, 400, 'usage', /forMs/],
    [{ ...ban, body: '{"targets":["192.0.2.1"],"jail":"nope"}' }, 404, 'unknown_jail', /no jail "nope"/],
    [{ ...ban, body: '{"targets":["192.0.2.1","mail.example","\\u001b[2J"]}' }, 400, 'usage', /"mail.example", "\\x1b\[2J"$/],
    [{ ...ban, body: JSON.stringify({ targets: Array(1_001).fill('192.0.2.1') }) }, 400, 'usage', /targets/],
    [{ ...ban, body: ' '.repeat(200_000) }, 413, 'too_large', /in parts/],
    [{ method: 'POST', path: '/v1/unban', body: '{"all":false}' }, 400, 'usage', /./],
    [{ method: 'POST', path: '/v1/unban', body: '{"all":true,"targets":["192.0.2.1"]}' }, 400, 'usage', /./],
  ];
  for (const [what, status, code, message] of refusals) {
    const shown = (what.body ?? '').length > 60 ? `${what.body?.slice(0, 20)}...` : (what.body ?? '');
    test(`${what.method ?? 'GET'} ${what.path} ${JSON.stringify(shown)}: ${status} ${code}`, async (t) => {
      const daemon = createSampleDaemon();
      const { socketPath, errors } = await serve(t, daemon.api);
      const reply = await exchange(socketPath, what);
      assert.equal(reply.status, status);
      const { error } = JSON.parse(reply.text) as { error: { code: string; message: string } };
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.deepEqual(daemon.calls, []);
      assert.deepEqual(errors, [], "the asker's mistake is not the daemon's");
    });
  }

  test('what the daemon itself cannot do is told to the asker and to the log', async (t) => {
    const { socketPath, errors } = await serve(t, createSampleDaemon({ reload: () => Promise.reject(new Error('the disk is full')) }).api);
    const reply = await exchange(socketPath, { method: 'POST', path: '/v1/reload' });
    assert.equal(reply.status, 500);
    assert.deepEqual(JSON.parse(reply.text), { error: { code: 'failed', message: 'the disk is full' } });
    assert.deepEqual(errors, ['control: POST /v1/reload: Error: the disk is full']);
  });

  test('a refusal of the daemon keeps its code', async (t) => {
    const { socketPath, errors } = await serve(
      t,
      createSampleDaemon({ reload: () => Promise.reject(new RefusalError('busy', 'a reload is under way')) }).api,
    );
    const reply = await exchange(socketPath, { method: 'POST', path: '/v1/reload' });
    assert.deepEqual(reply, { status: 503, text: '{"error":{"code":"busy","message":"a reload is under way"}}\n' });
    assert.deepEqual(errors, []);
  });

  test('a fault in mid-list breaks the reply off, so that it cannot pass for a whole one', async (t) => {
    const daemon = createSampleDaemon({
      bans: function* () {
        for (let sent = 0; sent < 2_000; sent++) yield sampleBan;
        throw new Error('broken');
      },
    });
    const { socketPath } = await serve(t, daemon.api);
    await assert.rejects(exchange(socketPath, { path: '/v1/bans' }), { code: 'ECONNRESET' });
    assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
  });
});

describe('bytes that are no HTTP', () => {
  const garbage: readonly [name: string, bytes: Buffer][] = [
    ['text', Buffer.from('status\r\n\r\n')],
    ['a pickle of fail2ban', Buffer.from([0x80, 4, 0x95, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0x5d, 0x94, 0x8c, 4, 0x70, 0x69, 0x6e, 0x67])],
    ['NUL bytes', Buffer.alloc(100_000)],
    ['a header without an end', Buffer.from(`GET /v1/ping HTTP/1.1\r\nX: ${'a'.repeat(100_000)}`)],
    ['two lengths', Buffer.from('POST /v1/ban HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nnull')],
    ['a negative length', Buffer.from('POST /v1/ban HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n')],
    ['a path that is no path', Buffer.from('GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')],
  ];
  for (const [name, bytes] of garbage) {
    test(`${name}: an error and the end of the connection, and the next request is answered`, async (t) => {
      const { socketPath } = await serve(t, createSampleDaemon().api);
      const connection = createConnection(socketPath);
      let answer = '';
      connection.setEncoding('latin1');
      connection.on('data', (chunk: string) => {
        answer += chunk;
      });
      // The server may hang up while we still write: that is the point.
      connection.on('error', () => undefined);
      const closed = new Promise((resolve) => void connection.once('close', resolve));
      connection.write(bytes);
      await closed;
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
    });
  }

  test('an asker that hangs up in mid-body harms nobody', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath, errors } = await serve(t, daemon.api);
    const connection = createConnection(socketPath);
    connection.write('POST /v1/ban HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"targets":');
    await once(connection, 'connect');
    connection.destroy();
    await once(connection, 'close');
    assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
    assert.deepEqual(daemon.calls, []);
    assert.deepEqual(errors, []);
  });
});
