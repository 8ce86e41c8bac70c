import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Gunzip, createGunzip } from 'node:zlib';

/** Little, because what zlib has decompressed of a piece in which it finds a mistake is not to be had. */
const pieceBytes = 16 * 1024;

/** Whether these are the first bytes of a gzip file: RFC 1952 section 2.3.1. */
export function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Decompresses a gzip file, also one of several members (RFC 1952 section 2.2).
 *
 * @param push takes the contents; when something is wrong with the file, all that is before the mistake
 * @throws what zlib says of a damaged or truncated file, after that
 */
export async function readGzip(path: string, push: (chunk: Buffer) => Promise<void>): Promise<void> {
  let pushed = 0;
  const gunzip = createReadStream(path, { highWaterMark: pieceBytes }).pipe(createGunzip({ chunkSize: 256 * 1024 }));
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      pushed += chunk.length;
      await push(chunk);
    }
  } catch (error) {
    await pushUntilMistake(path, { pushed, sound: gunzip.bytesWritten }, push);
    throw error;
  }
}

/**
 * Once more, the piece with the mistake byte by byte.
 *
 * @param from how much of the contents was pushed already, and how many compressed bytes were found sound
 */
async function pushUntilMistake(
  path: string,
  from: { readonly pushed: number; readonly sound: number },
  push: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  const file = await open(path);
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  const out: Buffer[] = [];
  gunzip.on('data', (chunk: Buffer) => out.push(chunk));
  let failed = false;
  const failure = new Promise<void>((resolve) => {
    gunzip.on('error', () => {
      failed = true;
      resolve();
    });
  });
  let skip = from.pushed;
  try {
    const piece = Buffer.alloc(pieceBytes);
    for (let position = 0; ; ) {
      const wanted = Math.min(pieceBytes, Math.max(1, from.sound - position));
      const { bytesRead } = await file.read(piece, 0, wanted, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      await Promise.race([written(gunzip, Buffer.from(piece.subarray(0, bytesRead))), failure]);
      for (const chunk of out.splice(0)) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        if (rest.length > 0) await push(rest);
      }
      if (failed) break;
    }
  } finally {
    gunzip.destroy();
    await file.close();
  }
}

/** @returns once zlib is through with it; never, if it failed */
function written(gunzip: Gunzip, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    gunzip.write(piece, () => resolve());
  });
}
