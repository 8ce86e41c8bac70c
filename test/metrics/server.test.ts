import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { serveMetrics, type Told } from '../../src/metrics/server.ts';

async function serve(context: TestContext, told: Partial<Told> = {}, clientMs?: number) {
  const server = await serveMetrics(
    { host: '127.0.0.1', port: 0, ...(clientMs === undefined ? {} : { clientMs }) },
    {
      text: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'a 1\n' }),
      missing: () => undefined,
      onError: assert.ifError,
      onRefused: () => assert.fail('refused'),
      ...told,
    },
  );
  context.after(() => server.close());
  const url = `http://127.0.0.1:${server.address.port}`;
  const connect = async (): Promise<Socket> => {
    const socket = createConnection(server.address.port, '127.0.0.1');
    context.after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { server, url, connect };
}

describe('what is served', () => {
  test('/metrics is the page', async (context) => {
    const { url } = await serve(context);
    const response = await fetch(`${url}/metrics?collect[]=all`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(await response.text(), 'a 1\n');
  });

  test('/-/healthy is 200 while the loop turns', async (context) => {
    const { url } = await serve(context, { missing: () => 'rules' });
    assert.equal((await fetch(`${url}/-/healthy`)).status, 200);
  });

  test('/-/ready is 503 and says what is missing, until nothing is', async (context) => {
    let missing: string | undefined = 'the kernel has not answered';
    const { url } = await serve(context, { missing: () => missing });
    const response = await fetch(`${url}/-/ready`);
    assert.equal(response.status, 503);
    assert.match(await response.text(), /the kernel has not answered/);
    missing = undefined;
    assert.equal((await fetch(`${url}/-/ready`)).status, 200);
  });

  test('anything else is 404 and names what there is', async (context) => {
    const { url } = await serve(context);
    const response = await fetch(`${url}/../etc/passwd`);
    assert.equal(response.status, 404);
    assert.match(await response.text(), /\/metrics/);
  });

  test('HEAD has no body; other methods are refused', async (context) => {
    const { url } = await serve(context);
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '4', '']);
    const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x'.repeat(100_000) });
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  });

  test('a page that cannot be made is 500 without the reason, which the log gets', async (context) => {
    const errors: string[] = [];
    const { url } = await serve(context, {
      text: () => {
        throw new Error('secret');
      },
      onError: (error) => errors.push(error.message),
    });
    const response = await fetch(`${url}/metrics`);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret/);
    assert.deepEqual(errors, ['secret']);
  });
});

describe('clients that mean harm', () => {
  test('one that sends nothing, and one that sends a byte now and then, are cut off', async (context) => {
    const { connect } = await serve(context, {}, 100);
    const [silent, slow] = [await connect(), await connect()];
    const dripping = setInterval(() => slow.write('G'), 10);
    slow.on('error', () => {}); // it writes to a connection that is gone
    await Promise.all([silent, slow].map((socket) => once(socket.resume(), 'close')));
    clearInterval(dripping);
  });

  test('one that takes its page too slowly is cut off', async (context) => {
    const body = 'x'.repeat(50_000_000); // more than socket buffers take
    const { connect } = await serve(context, { text: () => Promise.resolve({ contentType: 'text/plain', body }) }, 100);
    const socket = await connect();
    socket.on('error', () => {}); // what is cut off is a reset, too
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'readable');
    let bytes = 0;
    // A little in each turn of the loop, so that the connection is never silent for long.
    while (!socket.closed) {
      const chunk: unknown = socket.read(512) ?? socket.read();
      if (Buffer.isBuffer(chunk)) bytes += chunk.length;
      await turn();
    }
    assert.ok(bytes < body.length, `${bytes} bytes`);
  });

  test('more than sixteen at once are refused and counted, and there is room again when they go', async (context) => {
    let refused = 0;
    const { url, connect } = await serve(context, { onRefused: () => refused++ });
    const held = await Promise.all(Array.from({ length: 16 }, connect));
    const beyond = await connect();
    await once(beyond.resume(), 'close');
    assert.equal(refused, 1);
    await Promise.all(
      held.map((socket) => {
        socket.end();
        return once(socket.resume(), 'close');
      }),
    );
    assert.equal((await fetch(`${url}/-/healthy`)).status, 200);
  });

  test('headers beyond 4 KiB are refused', async (context) => {
    const { url } = await serve(context);
    assert.equal((await fetch(`${url}/metrics`, { headers: { cookie: 'x'.repeat(5_000) } })).status, 431);
  });

  test('what is no HTTP gets an answer and the end', async (context) => {
    const { connect } = await serve(context);
    const socket = await connect();
    socket.end('\x00\xff\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    assert.match(answer, /^HTTP\/1\.1 400 /);
  });
});

describe('an address that cannot be had', () => {
  test('is in use: says who to ask and what to write instead', async (context) => {
    const { server } = await serve(context);
    const { port } = server.address;
    await assert.rejects(
      serve(context).then(() => serveMetrics({ host: '127.0.0.1', port }, nobody)),
      {
        message: `Cannot serve metrics on 127.0.0.1:${port}: another program listens there (see: ss -ltnp 'sport = :${port}'); stop it, or choose another with "metrics: { listen: ADDRESS:PORT }", or "metrics: off".`,
      },
    );
  });

  test('is not of this host: says so', async () => {
    await assert.rejects(serveMetrics({ host: '192.0.2.1', port: 0 }, nobody), /this host has no such address/);
    await assert.rejects(serveMetrics({ host: '2001:db8::1', port: 9190 }, nobody), /\[2001:db8::1\]:9190/);
  });
});

test('closing ends open connections, and may be asked twice', async (context) => {
  const { server, connect } = await serve(context);
  const socket = await connect();
  const closed = once(socket.resume(), 'close');
  await Promise.all([server.close(), server.close(), closed]);
  const again = createServer().listen(server.address.port, '127.0.0.1');
  await once(again, 'listening');
  again.close();
});

const nobody: Told = {
  text: () => Promise.reject(new Error('nobody asks')),
  missing: () => undefined,
  onError: assert.ifError,
  onRefused: assert.fail,
};
