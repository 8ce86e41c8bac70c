import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNetworkPair, type NetworkPair } from '../test/support/netns.ts';
import type { Case } from './case.ts';
import { type MeasuredDaemon, startDaemon } from './daemon.ts';
import { hasFail2ban, startFail2ban } from './fail2ban-server.ts';
import { watchKernel } from './kernel-watch.ts';
import type { Offending } from './latency-sender.ts';
import { mostSubjects, tracked, writeSubjects } from './memory.ts';
import { quantile, until } from './process.ts';
import type { Result } from './result.ts';

interface Situation {
  readonly name: string;
  readonly via: 'file' | 'TCP';
  /** Lines a second of others, over TCP. */
  readonly load?: number;
  readonly tracked?: boolean;
  readonly renewals?: boolean;
}

const wantedLoad = 500_000;
const situations: readonly Situation[] = [
  { name: 'idle', via: 'file' },
  { name: 'idle', via: 'TCP' },
  { name: 'beside load', via: 'file', load: wantedLoad },
  { name: 'beside load', via: 'TCP', load: wantedLoad },
  { name: 'many subjects tracked', via: 'file', tracked: true },
  { name: 'renewals in the stream', via: 'file', renewals: true },
];

const sender = join(import.meta.dirname, 'latency-sender.ts');
const port = 5_514;

/** From before write(2) of a line to the moment at which `nft monitor`, another process, tells of the element. */
export const benchLatency: Case = async ({ lines }) => {
  const results: Result[] = [];
  const subjects = Math.min(lines, mostSubjects);
  for (const situation of situations) results.push(await ofSluice(situation, subjects));
  if (hasFail2ban()) for (const backend of ['polling', 'auto']) results.push(await ofFail2ban(backend));
  return results;
};

async function ofSluice(
  { name, via, load = 0, tracked: isTracked = false, renewals = false }: Situation,
  subjects: number,
): Promise<Result> {
  process.stderr.write(`latency, ${via}, ${name}\n`);
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    const crowd = join(network.directory, 'subjects.log');
    writeFileSync(log, '');
    const yaml = `sources:
  own: files
  journal: { enabled: false }
  files: [{ path: ${log}, name: measured, from: start }, { path: ${crowd}, name: subjects, from: start }]
  syslog: [{ listen: 'tcp://127.0.0.1:${port}', name: syslog }]
metrics: off
jails:
  tracking: { filters: [postfix/relay-denied], maxretry: 5, findtime: 1h }
  at-once: { filters: [postfix/relay-denied], maxretry: 1, bantime: 1h }
  longer: { filters: [postfix/sasl-failed], maxretry: 1, bantime: 2h }
`;
    // Those who are tracked fail once; were there the second jail, they would be banned.
    const sluice = await startDaemon(
      network,
      isTracked ? yaml.replace('at-once: { filters: [postfix/relay-denied]', 'at-once: { filters: [postfix/sasl-failed]') : yaml,
    );
    if (isTracked) {
      writeSubjects(`${crowd}.new`, subjects);
      renameSync(`${crowd}.new`, crowd);
      await tracked(sluice, subjects);
    }
    if (load > 0) network.host.start(process.execPath, '--no-warnings', sender, 'load', JSON.stringify({ port, linesPerSecond: load }));
    const before = load > 0 ? await reading(sluice) : { records: 0, atMs: 0 };
    const times = await measure(network, { to: via === 'file' ? log : port, count: 200, gapMs: [20, 120], renewals, sasl: isTracked });
    const after = load > 0 ? await reading(sluice) : before;
    await sluice.stop();
    const rate = load > 0 ? { 'lines/s beside': ((after.records - before.records) / (after.atMs - before.atMs)) * 1_000 } : {};
    const what = `line to kernel, ${isTracked ? `${subjects.toLocaleString('en')} subjects tracked` : name}`;
    return { what, who: via, figures: { ...shown(times), ...rate } };
  } finally {
    network.remove();
  }
}

async function ofFail2ban(backend: string): Promise<Result> {
  process.stderr.write(`latency, fail2ban, ${backend}\n`);
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    writeFileSync(log, '');
    const server = await startFail2ban(network, { log, maxretry: 1, backend });
    const times = await measure(network, { to: log, count: 40, gapMs: [300, 900], renewals: false, sasl: false });
    process.kill(server.pid, 'SIGKILL');
    return { what: 'line to kernel, idle', who: `fail2ban, ${backend}`, figures: shown(times) };
  } finally {
    network.remove();
  }
}

/** @returns ms for each offender, in their order */
async function measure(network: NetworkPair, offending: Offending): Promise<readonly number[]> {
  const watch = await watchKernel(network);
  const child = network.host.start(process.execPath, '--no-warnings', sender, 'offend', JSON.stringify(offending));
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  const written = said
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  if (written.length !== offending.count) throw new Error('the sender ended early');
  await until('all offenders are in the kernel', 60_000, () => written.every(([address = '']) => watch.seen.has(address)));
  watch.stop();
  // The first one finds cold code: it is one of hundreds, and stays in.
  return written.map(([address = '', ns = '0']) => Number((watch.seen.get(address) ?? 0n) - BigInt(ns)) / 1e6);
}

async function reading({ ask }: MeasuredDaemon): Promise<{ readonly records: number; readonly atMs: number }> {
  const { sources } = await ask.get<{ sources: readonly { name: string; records: number }[] }>('/v1/status');
  return { records: sources.find(({ name }) => name === 'syslog')?.records ?? 0, atMs: performance.now() };
}

function shown(times: readonly number[]): Record<string, number> {
  return { 'ms p50': quantile(times, 0.5), 'ms p95': quantile(times, 0.95), 'ms p99': quantile(times, 0.99), 'ms max': quantile(times, 1) };
}
