/**
 * Ordinary syslog traffic from inside a namespace, `soak-load.ts PORT LINES-PER-SECOND`, and what it is told to say besides: JSON on stdin, one
 * request a line. Ends with stdin, and prints how many lines it sent.
 */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { ordinaryLines } from './offenders.ts';

export type LoadRequest =
  | { readonly kind: 'tcp' | 'udp'; readonly lines: readonly string[] }
  /** Bytes that are nobody's syslog: over a new connection, or as one datagram. */
  | { readonly kind: 'garbage'; readonly transport: 'tcp' | 'udp'; readonly base64: string }
  | { readonly kind: 'idle'; readonly connections: number; readonly ms: number }
  | { readonly kind: 'long_line'; readonly bytes: number };

const [port, linesPerSecond] = process.argv.slice(2).map(Number) as [number, number];
const host = '127.0.0.1';
const tickMs = 20;
const udp = createSocket('udp4');
const toSay: string[] = [];
let sent = 0;
let tcp = join();

/** Goes on with a new connection when the old one is closed, as rsyslog does. */
function join(): Socket {
  const socket = connect({ host, port });
  socket.on('error', () => undefined); // 'close' follows
  socket.on('close', () => setTimeout(() => (tcp = join()), 100));
  return socket;
}

setInterval(() => {
  if (tcp.readyState !== 'open' || tcp.writableNeedDrain) return;
  const count = Math.round((linesPerSecond * tickMs) / 1_000);
  tcp.write(ordinaryLines(count).replaceAll(/^/gm, '<22>').slice(0, -4) + toSay.join(''));
  sent += count + toSay.length;
  toSay.length = 0;
  udp.send(`<22>${ordinaryLines(1)}`, port, host);
}, tickMs);
createInterface({ input: process.stdin })
  .on('line', (line) => obey(JSON.parse(line)))
  .on('close', () => {
    process.stdout.write(`${JSON.stringify({ sent })}\n`, () => process.exit(0));
  });

function obey(request: LoadRequest): void {
  switch (request.kind) {
    case 'tcp':
      toSay.push(...request.lines);
      return;
    case 'udp':
      for (const line of request.lines) udp.send(line, port, host);
      return;
    case 'garbage': {
      const bytes = Buffer.from(request.base64, 'base64');
      if (request.transport === 'udp') udp.send(bytes, port, host);
      else
        connect({ host, port })
          .on('error', () => undefined)
          .end(bytes);
      return;
    }
    case 'idle':
      for (let index = 0; index < request.connections; index++) {
        const socket = connect({ host, port, localAddress: `127.1.0.${1 + (index % 50)}` }).on('error', () => undefined);
        setTimeout(() => socket.destroy(), request.ms);
      }
      return;
    case 'long_line': {
      const socket = connect({ host, port }).on('error', () => undefined);
      const piece = Buffer.alloc(100_000, 'x');
      let left = request.bytes;
      const write = (): void => {
        while (left > 0 && !socket.destroyed) {
          left -= piece.length;
          if (!socket.write(piece)) return void socket.once('drain', write);
        }
        socket.end('\n');
      };
      socket.once('connect', write);
    }
  }
}
