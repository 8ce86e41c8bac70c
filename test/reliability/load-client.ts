/** Sends one kind of load from inside a namespace: `load-client.ts JSON`. Prints a line of JSON when it is done or set up; ends with stdin. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { refusal } from './offenders.ts';

/** To 127.0.0.1 and this port, over TCP. */
export type Load = Kind & { readonly port: number };

export type Kind =
  /** Offenders from `first` on, `times` refusals each one after the other, as fast as they are taken. */
  | {
      readonly kind: 'offenders';
      readonly of: 'networks' | 'one_network';
      readonly first: number;
      readonly count: number;
      readonly times: number;
    }
  /** Connections that say nothing, from so many addresses that none has more than 50. */
  | { readonly kind: 'idle'; readonly count: number }
  /** One line without an end for so many bytes, then an ordinary one that names the address. */
  | { readonly kind: 'long_line'; readonly bytes: number; readonly address: string }
  /** A byte a second, of a line that names the address and never comes to its end. */
  | { readonly kind: 'slow'; readonly address: string }
  /** So many refusals of one address. */
  | { readonly kind: 'lines'; readonly address: string; readonly times: number };

/** The n-th of two million networks, each with a host of its own: 2001:db8:.. /64, RFC 3849. */
export function offenderAt(of: 'networks' | 'one_network', index: number): string {
  const [high, low] = [(index >>> 16).toString(16), (index & 0xffff).toString(16)];
  return of === 'networks' ? `2001:db8:${high}:${low}::1` : `2001:db8:ffff:ffff:0:1:${high}:${low}`;
}

/** As rsyslog forwards it, RSYSLOG_ForwardFormat. */
export function forwarded(text: string, nowMs: number): string {
  return `<22>${new Date(nowMs).toISOString()} mx postfix/smtpd[4711]: ${text}\n`;
}

if (import.meta.main) {
  try {
    await run(JSON.parse(process.argv[2] ?? ''));
  } catch {
    process.exitCode = 1; // whoever it talked to is gone
  }
}

async function run(load: Load): Promise<void> {
  process.stdin.on('end', () => process.exit(0)).resume();
  switch (load.kind) {
    case 'offenders':
      await offenders(load);
      return;
    case 'idle':
      await idle(load);
      return;
    case 'long_line': {
      const socket = await open(load.port);
      await write(socket, '<22>');
      const piece = Buffer.alloc(1_000_000, 'x');
      for (let sent = 0; sent < load.bytes; sent += piece.length) await write(socket, piece);
      await write(socket, `\n${forwarded(refusal(load.address), Date.now())}`);
      await end(socket);
      say({ sent: load.bytes });
      return;
    }
    case 'lines': {
      const socket = await open(load.port);
      await write(socket, forwarded(refusal(load.address), Date.now()).repeat(load.times));
      await end(socket);
      say({ sent: load.times });
      return;
    }
    case 'slow': {
      const socket = await open(load.port);
      say({ open: 1 });
      for (const byte of forwarded(refusal(load.address), Date.now()).repeat(100)) {
        await write(socket, byte);
        await pause(1_000); // that is what it is slow in
      }
    }
  }
}

async function offenders({ port, of, first, count, times }: Load & { readonly kind: 'offenders' }): Promise<void> {
  const socket = await open(port);
  const perPiece = 500;
  for (let from = first; from < first + count; from += perPiece) {
    const nowMs = Date.now();
    let piece = '';
    for (let index = from; index < Math.min(from + perPiece, first + count); index++)
      piece += forwarded(refusal(offenderAt(of, index)), nowMs).repeat(times);
    await write(socket, piece);
  }
  await end(socket);
  say({ sent: count * times });
}

async function idle({ port, count }: Load & { readonly kind: 'idle' }): Promise<void> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const opened = Array.from({ length: Math.min(100, count - sockets.length) }, (_, index) => {
      const peer = Math.floor((sockets.length + index) / 50);
      return open(port, `127.1.${peer >> 7}.${(peer & 0x7f) + 1}`);
    });
    sockets.push(...(await Promise.all(opened)));
  }
  let closed = 0;
  for (const socket of sockets) socket.on('close', () => closed++);
  say({ open: sockets.length - closed });
}

async function open(port: number, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from });
  await once(socket, 'connect');
  socket.on('error', () => undefined); // 'close' follows
  return socket;
}

async function write(socket: Socket, bytes: string | Buffer): Promise<void> {
  if (!socket.write(bytes)) await once(socket, 'drain');
}

async function end(socket: Socket): Promise<void> {
  socket.end();
  if (!socket.closed) await once(socket, 'close');
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
