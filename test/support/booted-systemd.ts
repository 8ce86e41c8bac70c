import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { program } from '../environment.ts';

/**
 * A systemd that runs as PID 1 in namespaces of its own, on a copy of this machine's files that is thrown away: what a unit's confinement
 * really does is seen only there. Nothing of it reaches the machine that runs the tests.
 *
 * Needs root, `unshare`, `nsenter`, `ip`, and leave to mount; containers often have none.
 */
export interface Booted {
  /** Runs a shell script inside, as root. @throws on an exit code other than 0, with stderr in the message. @returns stdout */
  readonly run: (script: string) => Promise<string>;
  /** Runs it again and again until its output is as wanted. @throws after 20 s with the last output */
  readonly until: (script: string, wanted: RegExp) => Promise<string>;
  /** Ends it with everything that runs inside. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** This machine does not let us: not a mistake of what is tested. */
export class NotPermittedError extends Error {}

const patienceMs = 20_000;

/** What looks for hardware or sets up the machine itself has no business here. */
const masked = [
  'systemd-sysctl.service systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket',
  'systemd-modules-load.service kmod-static-nodes.service systemd-hwdb-update.service systemd-binfmt.service systemd-timesyncd.service',
  'systemd-random-seed.service systemd-remount-fs.service systemd-networkd.service systemd-pstore.service systemd-logind.service',
  'nftables.service rsyslog.service postfix.service prometheus.service ssh.service',
  'dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount',
  'sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount',
].join(' ');

/** $1: a folder of ours; $2: the checkout, which is seen as /usr/lib/sluice. Exit code 125: this machine does not let us. */
const boot = `
set -eu
work=$1 checkout=$2
may() { "$@" || { echo "not permitted here: $*" >&2; exit 125; }; }
may mount --make-rprivate /
may mount -t tmpfs tmpfs "$work"
root=$work/root
mkdir "$work/upper" "$work/inner" "$root"
may mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/inner" "$root"
mkdir -p "$root/usr/lib/sluice"
may mount --rbind "$checkout" "$root/usr/lib/sluice"
may mount -t proc proc "$root/proc"
may mount --bind "$root/proc/sys" "$root/proc/sys"
may mount -o remount,bind,ro "$root/proc/sys"
may mount -t sysfs -o ro sysfs "$root/sys"
may mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
may mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in run tmp dev; do may mount -t tmpfs tmpfs "$root/$place"; done
for node in null zero full random urandom tty; do : >"$root/dev/$node"; may mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm" "$root/dev/mqueue" "$root/dev/pts"
may mount -t devpts devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
rm -rf "$root/var/log/journal" "$root/etc/sluice" "$root/var/lib/sluice"; mkdir -p "$root/var/log/journal"
for unit in ${masked}; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
: >"$root/etc/fstab"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
mkdir "$root/before"
cd "$root"
may pivot_root . before
umount -l /before
ip link set lo up
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target systemd.unified_cgroup_hierarchy=1
`;

/** @throws NotPermittedError where this machine has no room for it */
export async function bootSystemd(checkout: string): Promise<Booted> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-systemd-'));
  const group = ownCgroup();
  // The shell enters the cgroup first, so that the namespace begins there and systemd sees it as the root.
  const enter = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';
  const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--cgroup', '--net', '--uts', '--ipc'];
  const child = spawn(
    '/bin/sh',
    ['-c', enter, 'enter', group, program('unshare') ?? 'unshare', ...namespaces, '/bin/sh', '-c', boot, 'boot', folder, checkout],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < 10_000) said += String(chunk);
  });
  const ended = once(child, 'exit');

  // unshare ignores SIGTERM; with it goes PID 1 of the namespaces, and with that everything inside.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let stopping: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    process.off('exit', kill);
    if (child.exitCode === null && child.signalCode === null) kill();
    await ended;
    await removeCgroup(group);
    rmSync(folder, { recursive: true, force: true });
  };
  const stop = (): Promise<void> => (stopping ??= end());

  const run = async (script: string): Promise<string> => {
    const first = firstChild(child.pid);
    if (first === undefined) throw new NotPermittedError(said || 'no process in the namespaces');
    const inside = ['-t', first, '-m', '-p', '-n', '-u', '-i', '-C', '/bin/sh', '-euc', script];
    const { stdout } = await promisify(execFile)(program('nsenter') ?? 'nsenter', inside, {
      timeout: 60_000,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    return stdout;
  };
  const until: Booted['until'] = async (script, wanted) => {
    const endMs = Date.now() + patienceMs;
    for (;;) {
      const output = await run(script).catch((error: unknown) => String(error));
      if (wanted.test(output)) return output;
      if (child.exitCode !== null) throw new NotPermittedError(said);
      if (Date.now() > endMs) throw new Error(`${script}: not ${String(wanted)} after ${patienceMs} ms:\n${output}\n${said}`);
      await pause(50); // nobody tells what is looked at here when it changes
    }
  };
  try {
    await until('systemctl is-system-running || :', /^(?:running|degraded)$/m);
  } catch (error) {
    await stop();
    throw error;
  }
  return { run, until, stop };
}

function ownCgroup(): string {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1];
  if (mount === undefined) throw new NotPermittedError('no cgroup2 hierarchy is mounted');
  const group = join(mount, `sluice-test-${process.pid}`);
  try {
    mkdirSync(group);
  } catch (error) {
    throw new NotPermittedError(`no cgroup of our own: ${String(error)}`);
  }
  return group;
}

/** Children first; the kernel lets go of a group a moment after its last process. */
async function removeCgroup(group: string): Promise<void> {
  for (const entry of readdirSync(group, { withFileTypes: true })) if (entry.isDirectory()) await removeCgroup(join(group, entry.name));
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await pause(20);
    }
  }
}

function firstChild(pid: number | undefined): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .find((each) => each !== '');
  } catch {
    return undefined;
  }
}
