import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createFramer, type Framed, type Framer } from '../frame/framer.ts';
import type { Address } from '../model/address.ts';
import type { Trust } from '../model/record.ts';
import type { Sink, Source, SyslogSettings } from '../model/source.ts';
import { createConnectionLimit } from './connection-limit.ts';
import { assertTimezone, formatListen, listenError } from './listen-error.ts';
import { believedUids, createConnectionTrust } from './sender-trust.ts';
import type { SyslogDeps } from './syslog-limits.ts';
import { addressOf, createPeerCheck } from './syslog-peers.ts';
import { deliverFrames, type Sender } from './syslog-records.ts';
import { createTurns, type Turn } from './turns.ts';

/** How long all connections together hold up the loop at a time: an answer over the control socket takes three turns of it. */
const turnMs = 5;
/** Idle senders are kept, rsyslog says nothing for hours; those that died without a word are found by the kernel. */
const keepAliveDelayMs = 60_000;
/**
 * At the end, what the kernel has acknowledged is still read: until the senders close, or nothing came for so long, and no longer than that in all.
 * Long enough for rsyslog's workers to see our FIN: what they write after our last read is lost.
 */
const drainSilenceMs = 300;
const drainMs = 2_000;

interface Connection {
  readonly socket: Socket;
  readonly sender: Sender;
  readonly framer: Framer;
  /** False while the sender's trust is being looked up: to resume the socket then would lose what it holds. */
  reading: boolean;
  /** What was read of it waits to be worked on: no more is read. */
  waiting: boolean;
  readonly turn: Turn;
}

/**
 * Listens for syslog over TCP, in any framing of RFC 6587, locked per connection.
 *
 * Senders on this host are believed by the owner of their socket, looked up when they connect and before anything is read; others because they
 * are listed. A framing violation closes the connection. `pause` stops reading: the sender's socket fills up, and rsyslog spools to its queue.
 * `stop` takes no new connections, ends the open ones and reads what has arrived; what a sender writes later it must send again.
 *
 * @throws {Error} if the place cannot be listened on, with what to do; also for a listener that others can reach without `peers`, and for a
 *   time zone that does not exist
 */
export async function openSyslogTcp(settings: SyslogSettings, sink: Sink, deps: SyslogDeps): Promise<Source & { readonly port: number }> {
  const check = createPeerCheck(settings.host, settings.peers);
  assertTimezone(settings.timezone);
  const connectionTrust = createConnectionTrust(believedUids(settings.trustedUids));
  const limit = createConnectionLimit({ connections: deps.maxConnections, perPeer: deps.maxConnectionsPerPeer });
  const connections = new Set<Connection>();
  const turns = createTurns(turnMs);
  let paused = false;
  let lastDataMs = 0;
  let stopped: Promise<void> | undefined;

  const server = createServer({ keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs }, accept);
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(settings, cause)));
    server.listen({ host: settings.host, port: settings.port }, () => {
      server.removeAllListeners('error');
      const bound = server.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : settings.port);
    });
  });
  // One accept that fails (EMFILE) leaves the connections there are as they are.
  server.on('error', (error) => sink.error('io', `${formatListen({ ...settings, port })}: ${error.message}`));
  sink.up(true, `listening on ${formatListen({ ...settings, port })}`);

  function accept(socket: Socket): void {
    socket.on('error', () => undefined); // 'close' follows and says it again
    const peer = check(socket.remoteAddress ?? '');
    if (peer.kind === 'denied') {
      socket.destroy();
      return sink.error('denied_peer', `${peer.shown} is not listed under peers`);
    }
    const refusal = limit.admit(peer.address);
    if (refusal !== undefined) {
      socket.destroy();
      return sink.error('connection_limit', `${peer.address}: connection refused, ${refusal}`);
    }
    const { address } = peer;
    const origin = { kind: 'syslog', transport: 'tcp', peer: address } as const;
    const sender: Sender = { source: settings.name, origin, shown: address, trust: 'low', previous: undefined };
    const framer = createFramer({ maxFrameBytes: deps.maxFrameBytes });
    const turn = turns.join({
      work: (bytes) => {
        lastDataMs = performance.now();
        report(connection, framer.push(bytes), bytes.length);
      },
      waits: (waiting) => {
        connection.waiting = waiting;
        if (waiting) socket.pause();
        else if (!paused) socket.resume();
      },
    });
    const connection: Connection = { socket, sender, framer, reading: false, waiting: false, turn };
    connections.add(connection);
    sink.connections(limit.open());
    socket.on('close', () => {
      connections.delete(connection);
      limit.release(address);
      sink.connections(limit.open());
    });
    void begin(connection, address);
  }

  /** Nothing is read before it is known whether the sender is to be believed. */
  async function begin(connection: Connection, peer: Address): Promise<void> {
    const { socket, sender, framer, turn } = connection;
    sender.trust = await trustOf(socket, peer);
    if (socket.destroyed) return;
    socket.on('data', turn.take);
    // Only an orderly end completes a last line without LF. A reset does not: half a line may name another address than the whole.
    socket.on('end', () => {
      turn.finish();
      report(connection, framer.end(), 0);
    });
    connection.reading = true;
    if (paused) socket.pause();
  }

  async function trustOf(socket: Socket, peer: Address): Promise<Trust> {
    const local = addressOf(socket.localAddress);
    if (local === undefined || socket.remotePort === undefined) return 'low'; // gone already
    return connectionTrust({ address: peer, port: socket.remotePort }, { address: local, port });
  }

  function report({ socket, sender }: Connection, framed: Framed, bytes: number): void {
    const clock = { nowMs: deps.nowMs(), timezone: settings.timezone };
    let frames = framed.compressed;
    for (const batch of framed.batches) {
      frames += batch.spans.length / 2;
      deliverFrames(batch, sender, sink, clock, deps.find);
    }
    sink.read(frames, bytes);
    for (let i = 0; i < framed.cut; i += 1) sink.error('oversize', `${sender.shown}: cut after ${deps.maxFrameBytes} octets`);
    for (let i = 0; i < framed.compressed; i += 1) sink.error('decode', `${sender.shown}: a compressed message: set ZipLevel="0" there`);
    if (framed.violation !== undefined) {
      socket.destroy();
      sink.error('framing', `${sender.shown}: connection closed: ${framed.violation}`);
    }
  }

  async function stop(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    // With FIN first, a sender that goes on writing learns of it and keeps its messages, while those on their way are still read.
    resume();
    for (const { socket } of connections) socket.end();
    const startedMs = performance.now();
    lastDataMs = startedMs;
    while (connections.size > 0 && performance.now() - lastDataMs < drainSilenceMs && performance.now() - startedMs < drainMs)
      await delay(5);
    for (const { turn } of connections) turn.finish();
    const sockets = [...connections].map(({ socket }) => socket);
    await Promise.all(
      sockets.map((socket) => {
        const gone = once(socket, 'close');
        socket.destroy();
        return gone;
      }),
    );
    await closed;
    sink.up(false, 'stopped');
  }

  function resume(): void {
    paused = false;
    turns.resume();
    for (const { socket, reading, waiting } of connections) if (reading && !waiting) socket.resume();
  }

  return {
    name: settings.name,
    kind: 'syslog',
    port,
    pause() {
      paused = true;
      turns.pause();
      for (const { socket, reading } of connections) if (reading) socket.pause();
    },
    resume,
    stop: () => (stopped ??= stop()),
  };
}
