/**
 * How long bans take to reach the kernel, in a network namespace of its own: `sudo scripts/with-node bench/enforce.ts`. Prints; asserts nothing.
 * The machine's other work is in the figures: read min and median.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createEnforcer, type Enforcer } from '../src/enforce/enforcer.ts';
import { findNft } from '../src/enforce/nft-probe.ts';
import { parsePrefix, type Prefix } from '../src/model/address.ts';
import type { KernelChange } from '../src/model/decision.ts';
import type { Ports } from '../src/model/filter.ts';
import { createNetworkPair } from '../test/support/netns.ts';

const [part = 'outside'] = process.argv.slice(2);
const all: Ports = { kind: 'all' };
const wanted = { lists: [all], lengths: { ipv4: [], ipv6: [64] }, allow: [] };

if (part === 'outside') await outside();
else if (part === 'inside') await inside();
else if (part === 'send') send();
else receive();

async function outside(): Promise<void> {
  const pair = createNetworkPair();
  try {
    const sender = pair.world.start(process.execPath, '--no-warnings', import.meta.filename, 'send');
    const bench = pair.host.start(process.execPath, '--no-warnings', import.meta.filename, 'inside');
    bench.stdout?.pipe(process.stdout);
    await once(bench, 'exit');
    sender.kill();
  } finally {
    pair.remove();
  }
}

/** A packet about every 100 us. */
function send(): void {
  const socket = createSocket('udp4');
  const next = (): void => socket.send('x', 5_000, '192.0.2.1', () => setImmediate(next));
  next();
}

/** Answers each line on stdin with the time of the last packet, ns of the monotonic clock, and how many there were. */
function receive(): void {
  let last = 0n;
  let count = 0;
  createSocket('udp4')
    .on('message', () => {
      last = process.hrtime.bigint();
      count++;
    })
    .bind(5_000);
  process.stdin.on('data', () => console.log(`${last} ${count}`));
}

async function inside(): Promise<void> {
  const receiver = spawn(process.execPath, ['--no-warnings', import.meta.filename, 'receive'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ask = async (): Promise<{ last: bigint; count: number }> => {
    receiver.stdin.write('?\n');
    const [answer] = (await once(receiver.stdout, 'data')) as [Buffer];
    const [last = '0', count = '0'] = answer.toString().trim().split(' ');
    return { last: BigInt(last), count: Number(count) };
  };

  for (const present of [0, 100_000]) {
    const { enforcer, state } = begin();
    for (const change of puts(present)) state.push(change);
    await enforcer.start(wanted);
    const effect: number[] = [];
    const settled: number[] = [];
    for (let round = 0; round < 50; round++) {
      const before = (await ask()).count;
      while ((await ask()).count < before + 10);
      const began = process.hrtime.bigint();
      enforcer.apply([put(prefix('192.0.2.2/32'))]);
      await enforcer.settled();
      settled.push(Number(process.hrtime.bigint() - began) / 1e6);
      await delay(30);
      const { last } = await ask();
      effect.push(Math.max(0, Number(last - began) / 1e6));
      enforcer.apply([{ kind: 'remove', ports: all, subject: prefix('192.0.2.2/32') }]);
      await enforcer.settled();
    }
    console.log(`one ban, ${present} present: last packet through ${show(effect)}; settled ${show(settled)}`);
    await end(enforcer);
  }

  for (const count of [1_000, 10_000, 100_000]) {
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const { enforcer } = begin();
      await enforcer.start(wanted);
      const changes = puts(count);
      const began = performance.now();
      enforcer.apply(changes);
      await enforcer.settled();
      times.push(performance.now() - began);
      await end(enforcer);
    }
    console.log(`${count} bans decided at once: ${show(times)}`);
  }

  for (const count of [20_000, 100_000]) {
    const [gone, there, healed]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < 5; round++) {
      const first = begin();
      first.state.push(...puts(count));
      let began = performance.now();
      await first.enforcer.start(wanted);
      gone.push(performance.now() - began);
      const restored = once(first.events, 'restored');
      spawn(findNft() ?? '', ['flush', 'ruleset']);
      began = performance.now();
      await restored;
      healed.push(performance.now() - began);
      await first.enforcer.stop();
      const second = begin();
      second.state.push(...first.state);
      began = performance.now();
      await second.enforcer.start(wanted);
      there.push(performance.now() - began);
      await end(second.enforcer);
    }
    console.log(
      `start with ${count} stored bans: table gone ${show(gone)}; table there ${show(there)}; from nft flush ruleset to healed ${show(healed)}`,
    );
  }
  receiver.kill();
}

function begin(): { enforcer: Enforcer; state: KernelChange[]; events: EventTarget } {
  const state: KernelChange[] = [];
  const events = new EventTarget();
  const enforcer = createEnforcer(
    { nft: findNft() ?? '', currentState: () => state, auditMs: 3_600_000 },
    {
      committed: () => {},
      transaction: () => {},
      restored: () => events.dispatchEvent(new Event('restored')),
      refused: (change, why) => console.log('refused', change, why),
      full: () => console.log('full'),
      up: (up, why) => up || console.log(why),
      drift: () => {},
    },
  );
  return { enforcer, state, events };
}

async function end(enforcer: Enforcer): Promise<void> {
  await enforcer.stop();
  await once(spawn(findNft() ?? '', ['flush', 'ruleset']), 'exit');
}

function puts(count: number): KernelChange[] {
  return Array.from({ length: count }, (_, index) => put(prefix(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`)));
}

function put(subject: Prefix): KernelChange {
  return { kind: 'put', ports: all, subject, untilMs: Date.now() + 3_600_000, mayExist: false };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function show(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  return `min ${at(0)} median ${at(0.5)} p90 ${at(0.9)} max ${at(1)} ms`;
}
