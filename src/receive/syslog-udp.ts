import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { FrameBatch } from '../frame/framer.ts';
import { frameEnd, isCompressed } from '../frame/opening.ts';
import type { Address } from '../model/address.ts';
import type { Trust } from '../model/record.ts';
import type { Sink, Source, SourceError, SyslogSettings } from '../model/source.ts';
import { DatagramBatch } from './datagram-batch.ts';
import { assertTimezone, formatListen, listenError } from './listen-error.ts';
import { believedUids, createDatagramTrust } from './sender-trust.ts';
import type { Endpoint } from './socket-owner.ts';
import type { SyslogDeps } from './syslog-limits.ts';
import { addressOf, createPeerCheck } from './syslog-peers.ts';
import { deliverFrames, type Sender } from './syslog-records.ts';
import { watchDrops } from './udp-drops.ts';

/** How often the kernel is asked for datagrams it had no room for. */
const dropPollMs = 1_000;
/** Senders whose last message is remembered for `message repeated n times`. */
const maxSenders = 256;
/** What a held datagram costs besides its bytes: a flood of empty ones is bounded, too. */
const datagramCostBytes = 256;
/** At the end: turns of the event loop in which datagrams that wait in the kernel are still read; each takes up to 32. */
const maxDrainTurns = 10_000;

/**
 * Listens for syslog over UDP, one message a datagram (RFC 5426).
 *
 * Datagrams of other hosts have low trust, because anybody can write their sender's address; those of this host are believed by the owner of the
 * socket they came from. UDP cannot push back: while paused, up to receiveBufferBytes are held here, and what comes beyond is dropped and
 * counted (`overflow`). What the kernel drops is counted, too (`udp_kernel`), within a second.
 *
 * @throws {Error} if the place cannot be listened on, with what to do; also for a listener that others can reach without `peers`, and for a
 *   time zone that does not exist
 */
export async function openSyslogUdp(settings: SyslogSettings, sink: Sink, deps: SyslogDeps): Promise<Source & { readonly port: number }> {
  const check = createPeerCheck(settings.host, settings.peers);
  assertTimezone(settings.timezone);
  const datagramTrust = createDatagramTrust(believedUids(settings.trustedUids));
  const senders = new Map<string, Sender>();
  const together = new DatagramBatch(deliver);
  /** Of the last datagram, until the turn ends. */
  let arrival: Arrival | undefined;
  let uncounted = 0;
  let uncountedBytes = 0;
  let held: Held[] = [];
  let heldBytes = 0;
  let received = 0;
  let paused = false;
  let stopped: Promise<void> | undefined;

  const socket = createSocket({ type: isIPv6(settings.host) ? 'udp6' : 'udp4', recvBufferSize: deps.receiveBufferBytes });
  const bound = await bind(socket, settings);
  const { port } = bound;
  const place = formatListen({ ...settings, port });
  socket.on('message', receive);
  socket.on('error', (error) => sink.error('io', `${place}: ${error.message}`));
  const drops = watchDrops(bound, dropPollMs, (count) =>
    sink.lost('udp_kernel', count, `${place}: the receive buffer was full; raise net.core.rmem_max, or send by TCP`),
  );
  sink.up(true, `listening on ${place}${bufferAdvice(socket.getRecvBufferSize(), deps.receiveBufferBytes)}`);

  function receive(bytes: Buffer, { address, port: fromPort }: RemoteInfo): void {
    received += 1;
    const from = arrival?.port === fromPort && arrival.address === address ? arrival : arrive(address, fromPort);
    if (from === undefined) return;
    if (!paused) return take(bytes, from);
    const cost = bytes.length + datagramCostBytes;
    if (heldBytes + cost > deps.receiveBufferBytes) return sink.lost('overflow', 1, `${place}: paused, and ${heldBytes} bytes wait`);
    heldBytes += cost;
    held.push({ bytes, from });
  }

  function arrive(address: string, fromPort: number): Arrival | undefined {
    const peer = check(address);
    if (peer.kind === 'denied') {
      sink.error('denied_peer', `${peer.shown} is not listed under peers`);
      return undefined;
    }
    // Asked now, also while paused: later the port may be somebody else's.
    const trust = peer.loopback ? datagramTrust({ address: peer.address, port: fromPort }) : 'low';
    if (arrival === undefined) setImmediate(endTurn);
    arrival = { address, port: fromPort, sender: senderOf(peer.address, fromPort), trust, receivedMs: deps.nowMs() };
    return arrival;
  }

  function endTurn(): void {
    arrival = undefined;
    together.flush();
    count();
  }

  function senderOf(peer: Address, fromPort: number): Sender {
    const key = `${peer} ${fromPort}`;
    const known = senders.get(key);
    if (known !== undefined) return known;
    const origin = { kind: 'syslog', transport: 'udp', peer } as const;
    const sender: Sender = { source: settings.name, origin, shown: peer, trust: 'low', previous: undefined };
    if (senders.size >= maxSenders) senders.clear();
    senders.set(key, sender);
    return sender;
  }

  function take(bytes: Buffer, from: Arrival): void {
    uncounted += 1;
    uncountedBytes += bytes.length;
    if (isCompressed(bytes, 0, bytes.length))
      return complain('decode', `${from.sender.shown}: a compressed message: set ZipLevel="0" there`);
    if (bytes.length > deps.maxFrameBytes) complain('oversize', `${from.sender.shown}: cut after ${deps.maxFrameBytes} octets`);
    together.add(bytes, frameEnd(bytes, 0, Math.min(bytes.length, deps.maxFrameBytes)), from);
  }

  /** In order: first what came before. */
  function complain(reason: SourceError, detail: string): void {
    together.flush();
    sink.error(reason, detail);
  }

  function deliver(frames: FrameBatch, { sender, trust, receivedMs }: Arrival): void {
    count();
    sender.trust = trust;
    deliverFrames(frames, sender, sink, { nowMs: receivedMs, timezone: settings.timezone }, deps.find);
  }

  function count(): void {
    if (uncounted > 0) sink.read(uncounted, uncountedBytes);
    uncounted = 0;
    uncountedBytes = 0;
  }

  function resume(): void {
    paused = false;
    const waiting = held;
    held = [];
    heldBytes = 0;
    for (const { bytes, from } of waiting) take(bytes, from);
    endTurn();
  }

  async function stop(): Promise<void> {
    resume();
    for (let turns = 0, before = -1; before !== received && turns < maxDrainTurns; turns += 1) {
      before = received;
      await turn();
      await turn(); // the first may come before the sockets are looked at
    }
    endTurn();
    await drops.stop();
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    sink.up(false, 'stopped');
  }

  return {
    name: settings.name,
    kind: 'syslog',
    port,
    pause() {
      paused = true;
    },
    resume,
    stop: () => (stopped ??= stop()),
  };
}

/** What is known of the datagrams of one sender in one turn of the event loop, asked for once: they are read in one go. */
interface Arrival {
  /** As Node gives it. */
  readonly address: string;
  readonly port: number;
  readonly sender: Sender;
  readonly trust: Trust;
  /** When the first of them came. */
  readonly receivedMs: number;
}

interface Held {
  readonly bytes: Buffer;
  readonly from: Arrival;
}

async function bind(socket: Socket, settings: SyslogSettings): Promise<Endpoint> {
  return new Promise((resolve, reject) => {
    socket.once('error', (cause) => {
      socket.close();
      reject(listenError(settings, cause));
    });
    socket.bind({ address: settings.host, port: settings.port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      const { address, port } = socket.address();
      const parsed = addressOf(address);
      if (parsed === undefined) reject(new Error(`Bound to ${address}, which is no address`));
      else resolve({ address: parsed, port });
    });
  });
}

/** The kernel doubles what it was asked for, for its own book-keeping, and says nothing when it gives less (socket(7)). */
function bufferAdvice(gotBytes: number, wantedBytes: number): string {
  if (gotBytes >= 2 * wantedBytes) return '';
  return `, with a receive buffer of ${gotBytes / 2} bytes: for ${wantedBytes} set net.core.rmem_max=${wantedBytes} with sysctl`;
}
