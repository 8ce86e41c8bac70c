import { readdir, readlink } from 'node:fs/promises';
import { isMissing, readHead } from './bounded-file.ts';
import { parseTcp, type TcpSocket } from './proc-net.ts';
import type { Session } from './session.ts';

/**
 * Who is logged in by SSH now, from /proc: sessions without a terminal (scp, git, a jump host) stand in no utmp.
 *
 * An open connection to port 22 alone proves nothing: whoever guesses passwords has one too. sshd names a session's process
 * `sshd: USER@TTY` (`@notty` without a terminal) once the user is in, `sshd: USER [priv]` or `[net]` before. Only processes whose parent is
 * root's sshd count, so a local user cannot name one of his own like that. Sockets of other users are visible to root only; for
 * others there are no sessions here.
 *
 * @param ports sshd's own ports: what a session forwards has others
 */
export async function readSshSessions({
  proc,
  ports,
  nowMs,
}: {
  readonly proc: string;
  readonly ports: readonly number[];
  readonly nowMs: number;
}): Promise<readonly Session[]> {
  const sockets = new Map<number, TcpSocket>();
  for (const table of ['tcp', 'tcp6']) {
    const text = await readHead(`${proc}/net/${table}`, maxTableBytes);
    for (const socket of parseTcp(text?.toString('latin1') ?? ''))
      if (socket.established && ports.includes(socket.localPort)) sockets.set(socket.inode, socket);
  }
  if (sockets.size === 0) return [];

  const sessions: Session[] = [];
  const processes = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).slice(0, maxProcesses);
  for (const pid of processes) {
    const user = await sshUser(proc, pid);
    if (user === undefined) continue;
    for (const inode of await socketsOf(proc, pid)) {
      const socket = sockets.get(inode);
      if (socket !== undefined) sessions.push({ address: socket.remote, user, seenMs: nowMs });
    }
  }
  return sessions;
}

/** A busy mail server has some ten thousand connections, at 150 bytes a line. */
const maxTableBytes = 16 * 1024 * 1024;
const maxProcesses = 65_536;
/** A process can hold many files; sshd's connection is among the first. */
const maxDescriptors = 64;

/** The user whose session the process is; undefined: it is none. */
async function sshUser(proc: string, pid: string): Promise<string | undefined> {
  if (!isSshd(await readText(`${proc}/${pid}/comm`))) return undefined;
  const title = await readText(`${proc}/${pid}/cmdline`);
  const user = /^sshd(?:-session)?: (?<user>\S+)@(?:pts\/\d+|notty|[a-z]+\d*)\s*$/.exec(title.replace(/\0[^]*$/, ''))?.groups?.['user'];
  if (user === undefined) return undefined;
  // root's own session is its monitor itself; anybody else's is its child.
  const parent = /^PPid:\s*(\d+)$/m.exec(await readText(`${proc}/${pid}/status`))?.[1] ?? '';
  const parentStatus = await readText(`${proc}/${parent}/status`);
  return /^Name:\s*sshd/m.test(parentStatus) && /^Uid:\s*0\s/m.test(parentStatus) ? user : undefined;
}

function isSshd(name: string): boolean {
  return /^sshd(?:-session)?\n?$/.test(name);
}

async function socketsOf(proc: string, pid: string): Promise<readonly number[]> {
  const directory = `${proc}/${pid}/fd`;
  const inodes: number[] = [];
  try {
    for (const name of (await readdir(directory)).slice(0, maxDescriptors)) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`${directory}/${name}`))?.[1];
      if (inode !== undefined) inodes.push(Number(inode));
    }
  } catch (error) {
    if (!isMissing(error) && !isForbidden(error)) throw error;
  }
  return inodes;
}

/** Empty where the process has ended or may not be looked at. */
async function readText(path: string): Promise<string> {
  try {
    return (await readHead(path, 4_096))?.toString('latin1') ?? '';
  } catch (error) {
    if (isMissing(error) || isForbidden(error)) return '';
    throw error;
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
}
