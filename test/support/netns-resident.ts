/** Runs inside a namespace of netns.ts: one JSON request a line on stdin, one answer a line on stdout; ends with stdin. */
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ConnectOptions, Reached } from './netns.ts';

type Request = { readonly id: number } & (
  | { readonly kind: 'pid' }
  | { readonly kind: 'listen'; readonly port: number; readonly host?: string }
  | ({ readonly kind: 'connect' | 'hold' } & ConnectOptions)
  | { readonly kind: 'say'; readonly handle: number; readonly timeoutMs?: number }
);

const held: Socket[] = [];

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as Request;
    answer(request).then(
      (value) => console.log(JSON.stringify({ id: request.id, value })),
      (error: unknown) => console.log(JSON.stringify({ id: request.id, value: { error: String(error) } })),
    );
  })
  .on('close', () => process.exit(0));

function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'pid':
      return Promise.resolve(process.pid);
    case 'listen':
      return listen(request.port, request.host);
    case 'connect':
      return reach(request);
    case 'hold':
      return hold(request);
    case 'say':
      return say(held[request.handle], request.timeoutMs ?? 5_000);
  }
}

async function reach(options: ConnectOptions): Promise<Reached> {
  const { reached, socket } = await open(options);
  socket.destroy();
  return reached;
}

async function hold(options: ConnectOptions): Promise<number> {
  const { reached, socket } = await open(options);
  if (reached !== 'open') throw new Error(`cannot connect to ${options.host} port ${options.port}: ${reached}`);
  return held.push(socket) - 1;
}

async function listen(port: number, host: string | undefined): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.on('error', reject);
  server.listen({ port, host: host ?? '::' }, () => {
    const address = server.address();
    resolve(typeof address === 'object' && address !== null ? address.port : port);
  });
  return promise;
}

async function open({ host, port, from, timeoutMs = 5_000 }: ConnectOptions): Promise<{ reached: Reached; socket: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Reached>();
  const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
  const timer = setTimeout(() => resolve('silent'), timeoutMs);
  socket.once('connect', () => resolve('open'));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') resolve('refused');
    else if (error.code === 'ETIMEDOUT') resolve('silent');
    else resolve('unreachable');
  });
  const reached = await promise;
  clearTimeout(timer);
  return { reached, socket };
}

async function say(socket: Socket | undefined, timeoutMs: number): Promise<'echoed' | 'silent' | 'closed'> {
  if (socket === undefined || socket.destroyed) return 'closed';
  const { promise, resolve } = Promise.withResolvers<'echoed' | 'silent' | 'closed'>();
  const timer = setTimeout(() => resolve('silent'), timeoutMs);
  socket.once('data', () => resolve('echoed'));
  socket.once('close', () => resolve('closed'));
  socket.write('NOOP\r\n');
  const said = await promise;
  clearTimeout(timer);
  return said;
}
