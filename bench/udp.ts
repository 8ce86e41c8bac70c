import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { syslogLimits } from '../src/receive/syslog-limits.ts';
import { createNetworkPair, type NetworkPair } from '../test/support/netns.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import { mailLines } from './mail-log.ts';
import { cpuMs } from './process.ts';
import type { Result } from './result.ts';

const port = 5_514;
const datagramBytes = 300;
const seconds = 3;
const warmUpRate = 20_000;
const rates = [50, 75, 100, 125, 150, 175, 200, 250, 300, 400].map((thousands) => thousands * 1_000);

/**
 * Datagrams a second over loopback, more and more, until the kernel drops some. 10 % rejects. The sender hands 64 of one size to the kernel at a time
 * (UDP_SEGMENT, udp(7)), or it would be the slower one; so they come in bursts. Then the same for a receiver in Node that only counts them: nobody
 * who uses node:dgram can be faster.
 */
export const benchUdp: Case = async () => {
  const network = createNetworkPair();
  try {
    const datagrams = join(network.directory, 'datagrams');
    writeDatagrams(datagrams);
    const yaml = `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'udp://127.0.0.1:${port}', name: measured }] }
metrics: off
jails: { relay: { filters: [postfix/relay-denied], maxretry: 5, findtime: 1h }, sasl: { filters: [postfix/sasl-failed], maxretry: 5, findtime: 1h } }
`;
    const sluice = await startDaemon(network, yaml);
    const ours = await raise(network, datagrams, sluice.pid, 'sluice');
    await sluice.stop();
    const bare = await startBare(network);
    const floor = await raise(network, datagrams, bare.pid, 'a bare receiver in Node');
    await bare.stop();
    return [ours, floor];
  } finally {
    network.remove();
  }
};

async function raise(network: NetworkPair, datagrams: string, pid: number, who: string): Promise<Result> {
  await send(network, datagrams, warmUpRate);
  let best = { sent: 0, cpu: 0, micros: 0 };
  let lossAt = 0;
  for (const rate of rates) {
    process.stderr.write(`udp, ${who}, ${rate} datagrams/s\n`);
    const before = counted(network, pid);
    const sent = await send(network, datagrams, rate);
    await pause(500); // what is in the buffer is read
    const after = counted(network, pid);
    const lost = after.drops - before.drops;
    const cpu = after.cpu - before.cpu;
    const micros = (cpu * 1_000) / (sent * seconds - lost);
    process.stderr.write(`  ${Math.round(sent)}/s sent, ${lost} dropped, ${Math.round(cpu)} ms CPU, ${micros.toFixed(1)} us each\n`);
    if (lost > 0) {
      lossAt = sent;
      break;
    }
    best = { sent, cpu: (cpu / (seconds * 1_000)) * 100, micros };
    if (sent < rate * 0.9) break; // the sender has reached its limit
  }
  const loss = lossAt > 0 ? { 'datagrams/s with loss': lossAt } : {};
  const buffer = receiveBuffer(network);
  return {
    what: `UDP without loss, buffer ${(buffer / 1e6).toFixed(1)} MB`,
    who,
    figures: { 'datagrams/s': best.sent, '% CPU': best.cpu, 'us CPU a datagram': best.micros, ...loss },
  };
}

/** What node:dgram itself costs. */
async function startBare({ host }: NetworkPair): Promise<{ readonly pid: number; readonly stop: () => Promise<void> }> {
  const receiver = `let count = 0;
const socket = require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: ${syslogLimits.receiveBufferBytes} });
socket.on('message', () => (count += 1)).bind(${port}, '127.0.0.1', () => console.log('ready'));`;
  const child = host.start(process.execPath, '-e', receiver);
  const ended = once(child, 'exit');
  if (child.pid === undefined || child.stdout === null) throw new Error('the bare receiver was not started');
  await once(child.stdout, 'data');
  const { pid } = child;
  return {
    pid,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

function writeDatagrams(path: string): void {
  const shape = { lines: 6_400, rejectShare: 0.1, offenders: 2_500, seed: 13, startMs: Date.now(), linesPerSecond: 1_000 };
  writeFileSync(path, [...mailLines(shape)].map((line) => `<22>${line}`.padEnd(datagramBytes).slice(0, datagramBytes)).join(''));
}

/** @returns datagrams a second that it managed */
async function send({ host }: NetworkPair, datagrams: string, rate: number): Promise<number> {
  const child = host.start(
    'perl',
    '-MSocket',
    '-MTime::HiRes=time,sleep',
    '-e',
    sender,
    datagrams,
    `${rate}`,
    `${seconds}`,
    `${datagramBytes}`,
    `${port}`,
  );
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  return Number(said);
}

/** 17: SOL_UDP, 103: UDP_SEGMENT. */
const sender = `
my ($file, $rate, $seconds, $size, $port) = @ARGV;
open(F, "<", $file) or die; local $/; my $all = <F>;
my $burst = 64; my @blocks = unpack("(a" . $burst * $size . ")*", $all);
socket(S, PF_INET, SOCK_DGRAM, 0) and connect(S, pack_sockaddr_in($port, inet_aton("127.0.0.1"))) or die $!;
setsockopt(S, 17, 103, pack("i", $size)) or die "UDP_SEGMENT: $!";
my ($begun, $sent) = (time, 0);
while ((my $now = time) < $begun + $seconds) {
  my $due = $begun + $sent / $rate;
  if ($now < $due) { sleep($due - $now); next }
  defined send(S, $blocks[($sent / $burst) % @blocks], 0) or die "send: $!";
  $sent += $burst;
}
print $sent / (time - $begun);
`;

function counted({ host }: NetworkPair, pid: number): { readonly drops: number; readonly cpu: number } {
  const line = host
    .run('cat', '/proc/net/udp')
    .split('\n')
    .find((each) => each.includes(`:${port.toString(16).toUpperCase()} `));
  return { drops: Number(line?.trim().split(/\s+/).at(-1)), cpu: cpuMs(pid) };
}

/** What the socket has of what it asked for: net.core.rmem_max bounds it, which namespaces do not have of their own. */
function receiveBuffer({ host }: NetworkPair): number {
  const told = /skmem:\(r\d+,rb(\d+)/.exec(host.run('ss', '-uanm', `sport = :${port}`))?.[1];
  return Number(told ?? readFileSync('/proc/sys/net/core/rmem_max', 'utf8'));
}
