import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { type Journald, cgroups, startJournald, withoutJournald } from '../test/support/journald.ts';
import { createNetworkPair } from '../test/support/netns.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import { jails } from './live.ts';
import { mailLines } from './mail-log.ts';
import { cpuMs, until } from './process.ts';
import { median, timeRun } from './timed-run.ts';

interface Caught {
  readonly entriesPerSecond: number;
  readonly cpu: number;
}

/** More take minutes to write. */
const mostEntries = 1_000_000;
/** How often the daemon is asked: an answer costs it as much as a hundred entries. */
const askEveryMs = 200;

/**
 * A backlog in a private journal: the daemon catching up, from when it is ready to the last entry, its bans in the kernel included, against the
 * same journalctl into a file, and into cat through a pipe: the least that somebody who reads can do.
 */
export const benchJournal: Case = async ({ lines, rounds }) => {
  const without = withoutJournald();
  if (without !== false) throw new Error(without);
  const entries = Math.min(lines, mostEntries);
  const settings = ['RateLimitIntervalSec=0', 'SystemMaxUse=4G', 'SystemMaxFileSize=1G', 'Compress=no', 'SyncIntervalSec=1h'];
  const journald = await startJournald(settings);
  try {
    process.stderr.write(`journal: writing ${entries} entries\n`);
    await fill(journald, entries);
    const alone: Caught[] = [];
    const piped: Caught[] = [];
    const ours: Caught[] = [];
    for (let round = 0; round < rounds; round += 1) {
      process.stderr.write(`journal, round ${round + 1}\n`);
      const { command, ...caught } = await catchUp(journald.directory, entries);
      ours.push(caught);
      const time = async (timed: readonly string[]): Promise<Caught> => {
        const { wallMs, cpuMs: cpu } = await timeRun(timed);
        return { entriesPerSecond: (entries / wallMs) * 1_000, cpu };
      };
      alone.push(await time(command));
      piped.push(await time(['/bin/sh', '-c', '"$@" | cat >/dev/null', 'sh', ...command]));
    }
    const rateOf = (all: readonly Caught[]): number => median(all.map(({ entriesPerSecond }) => entriesPerSecond));
    const cpuOf = (all: readonly Caught[]): number => median(all.map(({ cpu }) => cpu));
    const what = `journal, ${entries.toLocaleString('en')} entries behind`;
    return [
      { what, who: 'journalctl, into a file', figures: { 'entries/s': rateOf(alone), 'CPU ms': cpuOf(alone) } },
      { what, who: 'journalctl, into cat', figures: { 'entries/s': rateOf(piped), 'CPU ms': cpuOf(piped) } },
      {
        what,
        who: 'sluice',
        figures: {
          'entries/s': rateOf(ours),
          'CPU ms, without journalctl': cpuOf(ours),
          '% of journalctl into a file': (rateOf(ours) / rateOf(alone)) * 100,
          '% of journalctl into cat': (rateOf(ours) / rateOf(piped)) * 100,
        },
      },
    ];
  } finally {
    await journald.stop();
  }
};

/** As Postfix would: through /dev/log, from its slice. */
async function fill(journald: Journald, entries: number): Promise<void> {
  const say =
    'socket(S, PF_UNIX, SOCK_DGRAM, 0) and connect(S, sockaddr_un("/dev/log")) or die; while (<STDIN>) { chomp; defined send(S, $_, 0) or die $! }';
  const [file, ...args] = [...journald.inside({ cgroup: cgroups.postfix }), 'perl', '-MSocket', '-e', say];
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  const shape = { lines: entries, rejectShare: 0.1, offenders: 2_500, seed: 3, startMs: Date.now(), linesPerSecond: 1_000 };
  for (const line of mailLines(shape)) {
    // Without stamp and host, as libc's syslog(3) writes to /dev/log.
    if (!child.stdin.write(`<22>${line.slice(line.indexOf(' mx1 ') + 5)}\n`)) await once(child.stdin, 'drain');
  }
  child.stdin.end();
  await once(child, 'close');
}

async function catchUp(directory: string, entries: number): Promise<Caught & { readonly command: readonly string[] }> {
  const network = createNetworkPair();
  try {
    const yaml = `sources: { own: journal, journal: { enabled: true, directory: ${directory}, from: start } }\nmetrics: off\n${jails}\n`;
    const sluice = await startDaemon(network, yaml);
    const records = async (): Promise<number> => {
      const { sources } = await sluice.ask.get<{ sources: readonly { kind: string; records: number }[] }>('/v1/status');
      return sources.find(({ kind }) => kind === 'journal')?.records ?? 0;
    };
    const first = await records();
    const begunMs = performance.now();
    const cpuBefore = cpuMs(sluice.pid);
    const command = journalctlOf(sluice.pid);
    let last = first;
    const doneMs = await until(`${entries} entries read`, 300_000, async () => (last = await records()) >= entries, askEveryMs);
    const cpu = cpuMs(sluice.pid) - cpuBefore;
    await sluice.stop();
    return { entriesPerSecond: ((last - first) / (doneMs - begunMs)) * 1_000, cpu, command };
  } finally {
    network.remove();
  }
}

/** The very command that the daemon runs, but for following. */
function journalctlOf(pid: number): readonly string[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' '),
  );
  const commands = children.filter(Boolean).map((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').slice(0, -1));
  const found = commands.find(([program = '']) => program.endsWith('/journalctl'));
  if (found === undefined) throw new Error('the daemon runs no journalctl');
  return found.filter((arg) => arg !== '--follow' && arg !== '--no-tail');
}
