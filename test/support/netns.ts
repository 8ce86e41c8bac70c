import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { program } from '../environment.ts';

/**
 * Two network namespaces joined by a veth pair: `host` is the machine that sluice guards, `world` is everybody else. Real packets, a
 * kernel ruleset of its own, and nothing of it reaches the machine that runs the tests.
 *
 * `host` is 192.0.2.1 and 2001:db8::1, `world` is 192.0.2.2 and 2001:db8::2; besides, `world` may speak as any address of
 * 198.51.100.0/24, 203.0.113.0/24 and 2001:db8:100::/40. Needs root and `ip`: `{ skip: without('root', 'ip', 'nft') }`.
 */
export interface NetworkPair {
  readonly host: Namespace;
  readonly world: Namespace;
  /** A private directory, removed with the pair. */
  readonly directory: string;
  /** Runs when the pair is removed, first: what a failed test left running. */
  readonly atEnd: (work: () => void) => void;
  /** Ends what still runs in the two namespaces and removes both. Idempotent; also called when the test process exits. */
  readonly remove: () => void;
}

export interface Namespace {
  readonly name: string;
  /** Runs a command inside and waits. @throws on an exit code other than 0, with stderr in the message */
  readonly run: (command: string, ...args: readonly string[]) => string;
  /** Starts a command inside; it is ended with the pair. */
  readonly start: (command: string, ...args: readonly string[]) => ChildProcess;
  /** An executable file that runs the program inside: for code that takes the path of `nft`. */
  readonly wrapper: (programName: string) => string;
  /** A Node process inside that listens and connects on request. */
  readonly resident: () => Promise<Resident>;
}

/** `open`: a connection came about. `refused`: answered with a reset. `silent`: no answer in time. */
export type Reached = 'open' | 'refused' | 'silent' | 'unreachable';

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Source address; undefined: the kernel's choice. */
  readonly from?: string;
  /** How long to wait for an answer; ms. Below 1,000 only the first SYN counts. */
  readonly timeoutMs?: number;
}

export interface Resident {
  readonly pid: number;
  /** Accepts TCP connections and sends back what it gets. Without a host: every address, both families. @returns the port */
  readonly listen: (port: number, host?: string) => Promise<number>;
  /** Opens a TCP connection and closes it again. */
  readonly connect: (options: ConnectOptions) => Promise<Reached>;
  /** Opens a TCP connection and keeps it. @returns a handle for `say`. @throws if it cannot be opened */
  readonly hold: (options: ConnectOptions) => Promise<number>;
  /** Sends on a kept connection and waits for the echo. */
  readonly say: (handle: number, timeoutMs?: number) => Promise<'echoed' | 'silent' | 'closed'>;
  readonly stop: () => Promise<void>;
}

let created = 0;

/** @throws without root, or where `ip` is missing: see `without`. */
export function createNetworkPair(): NetworkPair {
  removeStale();
  const ip = program('ip') ?? 'ip';
  const stem = `slu-${process.pid}-${++created}`;
  const directory = mkdtempSync(join(tmpdir(), `${stem}-`));
  const children = new Set<ChildProcess>();
  const names = [`${stem}-host`, `${stem}-world`] as const;
  const atEnd: (() => void)[] = [];
  let removed = false;
  const remove = (): void => {
    if (removed) return;
    removed = true;
    process.off('exit', remove);
    for (const work of atEnd) work();
    for (const child of children) child.kill('SIGKILL');
    for (const name of names) removeNamespace(ip, name);
    rmSync(directory, { recursive: true, force: true });
  };
  process.on('exit', remove);

  const namespace = (name: string): Namespace => {
    const enter = ['netns', 'exec', name];
    const start = (command: string, ...args: readonly string[]): ChildProcess => {
      const child = spawn(ip, [...enter, program(command) ?? command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
      children.add(child);
      child.on('exit', () => children.delete(child));
      return child;
    };
    return {
      name,
      start,
      run: (command, ...args) =>
        execFileSync(ip, [...enter, program(command) ?? command, ...args], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
          maxBuffer: 64 * 1_024 * 1_024,
        }),
      wrapper: (programName) => {
        const path = join(directory, `${programName}-in-${name}`);
        writeFileSync(path, `#!/bin/sh\nexec ${ip} netns exec ${name} ${program(programName) ?? programName} "$@"\n`);
        chmodSync(path, 0o755);
        return path;
      },
      resident: () => startResident(start(process.execPath, '--no-warnings', join(import.meta.dirname, 'netns-resident.ts'))),
    };
  };

  try {
    const batch = (name: string, lines: readonly string[]): void => {
      execFileSync(ip, ['-n', name, '-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'pipe', 'pipe'] });
    };
    for (const name of names) execFileSync(ip, ['netns', 'add', name]);
    execFileSync(ip, ['link', 'add', 'eth0', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'eth0', 'netns', names[1]]);
    batch(names[0], ['link set lo up', 'link set eth0 up', 'addr add 192.0.2.1/24 dev eth0', 'addr add 2001:db8::1/64 dev eth0 nodad']);
    batch(names[1], [
      'link set lo up',
      'link set eth0 up',
      'addr add 192.0.2.2/24 dev eth0',
      'addr add 2001:db8::2/64 dev eth0 nodad',
      // Local routes: the addresses can be bound and answer, without an entry for each.
      'route add local 198.51.100.0/24 dev lo',
      'route add local 203.0.113.0/24 dev lo',
      'route add local 2001:db8:100::/40 dev lo',
    ]);
    batch(names[0], [
      'route add 198.51.100.0/24 via 192.0.2.2',
      'route add 203.0.113.0/24 via 192.0.2.2',
      'route add 2001:db8:100::/40 via 2001:db8::2',
    ]);
    const pair = {
      host: namespace(names[0]),
      world: namespace(names[1]),
      directory,
      atEnd: (work: () => void) => atEnd.push(work),
      remove,
    };
    pair.world.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind');
    return pair;
  } catch (error) {
    remove();
    throw error;
  }
}

/** Namespaces outlive the process that made them: those of test processes that were killed go here. */
function removeStale(): void {
  let names: string[] = [];
  try {
    names = readdirSync('/run/netns');
  } catch {
    return; // nobody has made a namespace yet
  }
  for (const name of names) {
    const pid = /^slu-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) removeNamespace(program('ip') ?? 'ip', name);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function removeNamespace(ip: string, name: string): void {
  try {
    const pids = execFileSync(ip, ['netns', 'pids', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    for (const pid of pids.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // ended in the meantime
      }
    }
    execFileSync(ip, ['netns', 'del', name], { stdio: 'ignore' });
  } catch {
    // it was not made, or somebody else removed it
  }
}

async function startResident(child: ChildProcess): Promise<Resident> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the resident has no pipes');
  const waiting = new Map<number, (value: unknown) => void>();
  let asked = 0;
  createInterface({ input: stdout }).on('line', (line) => {
    const { id, value } = JSON.parse(line) as { id: number; value: unknown };
    waiting.get(id)?.(value);
    waiting.delete(id);
  });
  child.on('exit', () => {
    for (const answer of waiting.values()) answer({ error: 'the resident has ended' });
    waiting.clear();
  });
  const ask = async <T>(request: object): Promise<T> => {
    const id = ++asked;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    waiting.set(id, resolve);
    stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    const value = await promise;
    if (typeof value === 'object' && value !== null && 'error' in value) throw new Error(String(value.error));
    return value as T;
  };
  const pid = await ask<number>({ kind: 'pid' });
  return {
    pid,
    listen: (port, host) => ask({ kind: 'listen', port, host }),
    connect: (options) => ask({ kind: 'connect', ...options }),
    hold: (options) => ask({ kind: 'hold', ...options }),
    say: (handle, timeoutMs) => ask({ kind: 'say', handle, timeoutMs }),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      stdin.end();
      await ended;
    },
  };
}
