import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, rmSync, type Stats } from 'node:fs';
import type { Server } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';

/** The socket cannot be made; the message says why and what to do. */
export class SocketError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SocketError';
  }
}

/** sun_path without its NUL, unix(7). */
const maxPathBytes = 107;

/**
 * Listens on a unix socket that the owner and the group may use, mode 0660.
 *
 * A missing directory is made with mode 0750. A present one is taken unless others may write to it: they could put their own socket
 * there. A socket that nobody listens on was left by a daemon that was killed, and is replaced.
 *
 * @param group name or number of the group that may talk to the daemon; undefined: the daemon's own
 * @throws {SocketError} if another daemon listens there, or the place cannot be used
 */
export async function listenPrivately(server: Server, socketPath: string, group: string | undefined): Promise<void> {
  if (Buffer.byteLength(socketPath) > maxPathBytes) {
    throw new SocketError(
      `The path of the control socket is longer than the ${maxPathBytes} bytes that a socket's may have: ${socketPath}`,
    );
  }
  const gid = group === undefined ? undefined : groupId(group);
  prepareDirectory(dirname(socketPath), gid);
  await removeStaleSocket(socketPath);
  // The socket appears within listen(), at once. Without the mask it would be open to its directory's visitors until chmod.
  const mask = process.umask(0o117);
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
  process.umask(mask);
  try {
    await listening;
    if (gid !== undefined) chownSync(socketPath, -1, gid);
    chmodSync(socketPath, 0o660);
  } catch (cause) {
    server.close();
    throw new SocketError(`Cannot listen on ${socketPath}: ${reason(cause)}`, { cause });
  }
}

function prepareDirectory(directory: string, gid: number | undefined): void {
  try {
    // undefined: it was there already, and its owner and mode are its maker's affair.
    if (mkdirSync(directory, { recursive: true, mode: 0o750 }) !== undefined && gid !== undefined) chownSync(directory, -1, gid);
  } catch (cause) {
    throw new SocketError(`Cannot make the directory of the control socket, ${directory}: ${reason(cause)}`, { cause });
  }
  const { mode } = lstatSync(`${directory}/`);
  if ((mode & 0o002) === 0) return;
  throw new SocketError(
    `The control socket cannot be in ${directory}: everybody may write there (mode ${(mode & 0o7777).toString(8)}), also somebody who ` +
      `answers in its place. Use a directory of its own (control.socket in the configuration), or run: chmod o-w ${directory}`,
  );
}

/**
 * Asked before anything is begun: a second daemon would read the same logs, and write what it counts into the same store.
 *
 * @throws {SocketError} if another daemon listens there
 */
export async function expectNobody(socketPath: string): Promise<void> {
  if (!(await somebodyListens(socketPath))) return;
  throw new SocketError(
    `Another sluice answers on ${socketPath}. Stop it first (systemctl stop sluice), or give this one its own control.socket and state.path.`,
  );
}

async function removeStaleSocket(socketPath: string): Promise<void> {
  let found: Stats;
  try {
    found = lstatSync(socketPath);
  } catch {
    return; // nothing there
  }
  if (!found.isSocket())
    throw new SocketError(`${socketPath} is there and is not a socket. Move it away, or choose another control.socket.`);
  await expectNobody(socketPath);
  rmSync(socketPath, { force: true });
}

/** Only these prove that nobody is there: refused, no such file, no socket. What else is wrong with the place is said when it is used. */
const nobodyThere: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK', 'ENOTDIR', 'EINVAL', 'ENAMETOOLONG']);

function somebodyListens(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(!nobodyThere.has(error.code ?? '')));
  });
}

/** @throws {SocketError} if /etc/group has no such group */
function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${group}:`));
  const id = line?.split(':')[2];
  if (id === undefined)
    throw new SocketError(`There is no group "${group}" for the control socket. Make it (groupadd --system ${group}), or name another.`);
  return Number(id);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
