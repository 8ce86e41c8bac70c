import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a child writes, and where we read, when we choose to. */
export interface Channel {
  /** For the child's stdout; to be destroyed here when the child runs, else the end of its output is never seen. */
  readonly written: Socket;
  /** Paused and resumed as any socket; what it reads goes to `take`. */
  readonly read: Socket;
}

/** More than the kernel keeps of a socket with its default buffers: one read empties it. */
const readBytes = 256 * 1024;

/**
 * A pair of sockets, in place of the pair that a child's `pipe` is: only a socket that we connect ourselves takes a buffer to read into, and can
 * be left alone, so that what is written meanwhile comes together in the kernel. Of the other each piece is read as it is written, into memory
 * of its own, however little is done with it.
 *
 * @param take gets what was read; it is overwritten by the next read. @returns whether to go on reading; if not, until `resume`
 * @param places directories; the first in which a socket can be made is taken
 * @throws if there is none
 */
export async function openChannel(take: (bytes: Buffer) => boolean, places: readonly string[] = usualPlaces()): Promise<Channel> {
  let failure: unknown;
  for (const place of places) {
    try {
      return await openIn(place, take);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function openIn(place: string, take: (bytes: Buffer) => boolean): Promise<Channel> {
  // Private, so that nobody else can connect; and gone as soon as both ends are there.
  const directory = mkdtempSync(join(place, 'sluice-journal-'));
  const server = createServer({ pauseOnConnect: true });
  try {
    const path = join(directory, 'socket');
    server.listen(path);
    await once(server, 'listening');
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const read = connect({ path, onread: { buffer, callback: (count) => take(buffer.subarray(0, count)) } });
    await once(read, 'connect');
    return { written: await accepted, read };
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function usualPlaces(): readonly string[] {
  const { RUNTIME_DIRECTORY, XDG_RUNTIME_DIR } = process.env;
  return [RUNTIME_DIRECTORY?.split(':')[0], XDG_RUNTIME_DIR, tmpdir(), '/dev/shm'].filter((place) => place !== undefined);
}
