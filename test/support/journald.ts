import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmdirSync, watch } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { without } from '../environment.ts';

/**
 * A real systemd-journald of the test's own, on a machine where systemd need not run.
 *
 * It is PID 1 of a PID namespace and has mount and cgroup namespaces of its own: its /dev/log, its /run/systemd and its
 * /var/log/journal are private, and when it ends everything started inside ends with it. The network is the one it was started in.
 * The namespaces hide nothing from the test: the journal's files lie in `directory`.
 */
export interface Journald {
  /** For `journalctl --directory`. */
  readonly directory: string;
  /**
   * What to put before a command so that it runs inside. journald then reports it with the unit, the slice and the uid given here.
   * To have it in a network namespace as well, put `ip netns exec NAME` before all of it.
   */
  readonly inside: (place?: Place) => readonly string[];
  /**
   * Logs each text as a message of its own, through /dev/log; returns once journald has them in its queue.
   *
   * The process behind it lives until the end, one for each place. Of a logger(1) that is gone before journald looks, journald knows the
   * uid, but not the unit (systemd issue 2913), so that a match by unit misses what it said.
   */
  readonly log: (texts: string | readonly string[], sender?: Sender) => Promise<void>;
  /** Asks journald to begin new files; the old ones stay, with all cursors valid. */
  readonly rotate: () => Promise<void>;
  /** Throws archived files away: cursors into them are lost. */
  readonly vacuum: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface Place {
  readonly uid?: number;
  /** Slices and unit as systemd would nest them; see `cgroups`. */
  readonly cgroup?: string;
}

export interface Sender extends Place {
  /** What the sender calls itself; anybody may say anything. */
  readonly identifier?: string;
}

/** Where systemd puts the processes of... */
export const cgroups = {
  /** _SYSTEMD_UNIT=postfix@-.service, _SYSTEMD_SLICE=system-postfix.slice: Debian */
  postfix: '/system.slice/system-postfix.slice/postfix@-.service',
  /** _SYSTEMD_UNIT=ssh.service, _SYSTEMD_SLICE=system.slice */
  ssh: '/system.slice/ssh.service',
  /** _SYSTEMD_UNIT=session-1.scope, _SYSTEMD_SLICE=user-1000.slice: somebody who logged in */
  session: '/user.slice/user-1000.slice/session-1.scope',
} as const;

/** For the `skip` option of a test. */
export function withoutJournald(): string | false {
  return (
    without('root', 'systemd-journald', 'journalctl', 'perl') ||
    (cgroup2() === undefined ? 'left out: no cgroup2 file system is mounted' : false)
  );
}

/**
 * @param settings lines for journald.conf(5), such as `RateLimitBurst=10`
 * @throws if journald does not come up within 10 s; with what it wrote to stderr
 */
export async function startJournald(settings: readonly string[] = []): Promise<Journald> {
  const tree = cgroup2();
  if (tree === undefined) throw new Error('no cgroup2 file system is mounted: ask withoutJournald first');
  const home = await mkdtemp(join(tmpdir(), 'slu-journald-'));
  await chmod(home, 0o755); // who may read the journal is for the modes of its files to say
  const machineId = 'b0a7d1e4c35f4e6a9d2c8f0715a3e6b9';
  const directory = join(home, 'journal');
  const files = join(directory, machineId);
  await mkdir(files, { recursive: true });
  await writeFile(join(home, 'machine-id'), `${machineId}\n`);
  await writeFile(
    join(home, 'journald.conf'),
    ['[Journal]', 'Storage=persistent', 'ReadKMsg=no', 'Audit=no', 'ForwardToSyslog=no', 'SystemMaxUse=64M', ...settings, ''].join('\n'),
  );
  const root = join(tree, home.slice(home.lastIndexOf('/') + 1));
  await mkdir(root);

  const appeared = fileIn(files, 'system.journal');
  const journald = execa('sh', ['-c', bring, 'sh', home, root], { reject: false, stdin: 'ignore', stdout: 'ignore', maxBuffer: 100_000 });
  const failed = journald.then(({ stderr }) => {
    throw new Error(`systemd-journald did not come up: ${stderr}`);
  });
  const stop = async (): Promise<void> => {
    journald.kill('SIGKILL'); // --kill-child: and all that is inside
    await journald;
    await clear(home, root);
  };
  try {
    await Promise.race([
      appeared,
      failed,
      delay(10_000, undefined, { ref: false }).then(() => Promise.reject(new Error('systemd-journald: 10 s'))),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  failed.catch(() => undefined); // it ends when the test ends it
  const pid = onlyChild(journald.pid);

  // The cgroup must be chosen before nsenter: inside, the file system of cgroups is mounted as the host sees it, too, but read by other names.
  const inside = ({ uid, cgroup }: Place = {}): readonly string[] => [
    'sh',
    '-c',
    enterCgroup,
    'sh',
    root + (cgroup ?? ''),
    'nsenter',
    `--target=${pid}`,
    '--mount',
    '--pid',
    '--cgroup',
    ...(uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']),
  ];

  const speakers = new Map<string, Speaker>();
  const speaker = (place: Place): Speaker => {
    const key = JSON.stringify([place.uid, place.cgroup]);
    const known = speakers.get(key) ?? speak([...inside(place), 'perl', '-MSocket', '-e', say]);
    speakers.set(key, known);
    return known;
  };

  return {
    directory,
    inside,
    log: async (texts, { identifier = 'test', uid, cgroup } = {}) => {
      const { pid, send } = speaker({ ...(uid === undefined ? {} : { uid }), ...(cgroup === undefined ? {} : { cgroup }) });
      for (const text of [texts].flat()) await send(`<22>${identifier}[${await pid}]: ${text}`); // mail.info
    },
    rotate: () => run([...inside(), 'journalctl', '--rotate']),
    vacuum: () => run([...inside(), 'journalctl', '--vacuum-files=1', '--quiet']),
    stop,
  };
}

/** Sends each line of its input, which is hexadecimal, to journald as one datagram. */
const say = `
socket(S, PF_UNIX, SOCK_DGRAM, 0) and connect(S, sockaddr_un("/dev/log")) or die "/dev/log: $!";
$| = 1;
print "$$\\n";
while (<STDIN>) { chomp; defined send(S, pack("H*", $_), 0) or die "send: $!"; print "sent\\n" }
`;

interface Speaker {
  /** As its own namespace numbers it. */
  readonly pid: Promise<string>;
  readonly send: (datagram: string) => Promise<void>;
}

function speak(command: readonly string[]): Speaker {
  const [file = '', ...args] = command;
  const child = execa(file, args, { reject: false, buffer: false });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await answers.next();
    if (done === true) throw new Error(`the process that logs ended: ${(await child).shortMessage}`);
    return value;
  };
  const pid = answer();
  return {
    pid,
    send: async (datagram) => {
      await pid;
      child.stdin.write(`${Buffer.from(datagram).toString('hex')}\n`);
      await answer();
    },
  };
}

/** $1: where its files lie; $2: its root in the tree of cgroups. */
const bring = `
set -eu
echo 0 >"$2/cgroup.procs"
exec unshare --mount --pid --cgroup --fork --kill-child --mount-proc --propagation=private sh -c '
set -eu
for place in /run/systemd /run/log; do mkdir -p $place; mount -t tmpfs tmpfs $place; done
mkdir -p /run/systemd/journal /var/log/journal
: >/run/systemd/journal/flushed # write to /var from the start
mount --bind "$1/journal" /var/log/journal
mount --bind "$1/machine-id" /etc/machine-id
mount --bind "$1/journald.conf" /etc/systemd/journald.conf
dev=/run/log/dev
mkdir $dev $dev/shm $dev/pts
for name in null zero full random urandom tty ptmx fd stdin stdout stderr; do cp -a /dev/$name $dev; done
ln -s /run/systemd/journal/dev-log $dev/log
mount --rbind /dev/pts $dev/pts
mount --rbind /dev/shm $dev/shm
mount --bind $dev /dev
exec /usr/lib/systemd/systemd-journald
' sh "$1"`;

const enterCgroup = 'mkdir -p "$1" && echo 0 >"$1/cgroup.procs" && shift && exec "$@"';

async function run(command: readonly string[], input = ''): Promise<void> {
  const [file = '', ...args] = command;
  await execa(file, args, { input });
}

function cgroup2(): string | undefined {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[2] === 'cgroup2');
  return line?.split(' ')[1];
}

async function fileIn(directory: string, name: string): Promise<void> {
  const watcher = watch(directory);
  try {
    while (!existsSync(join(directory, name))) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}

function onlyChild(pid: number | undefined): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

async function clear(home: string, root: string): Promise<void> {
  for (let tries = 0; tries < 100 && !removed(root); tries++) await delay(20); // the kernel takes a moment to empty them
  await rm(home, { recursive: true, force: true });
}

function removed(cgroup: string): boolean {
  try {
    for (const entry of readdirSync(cgroup, { withFileTypes: true }))
      if (entry.isDirectory() && !removed(join(cgroup, entry.name))) return false;
    rmdirSync(cgroup);
    return true;
  } catch {
    return !existsSync(cgroup);
  }
}
