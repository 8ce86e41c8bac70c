import { open } from 'node:fs/promises';

/**
 * Reads the first or the last part of a file, at most `maxBytes`: what this host says of itself fits, and whatever does not is not it.
 *
 * Files under /proc have no size: the head is read until it ends.
 *
 * @returns undefined if there is no such file
 * @throws {Error} of node:fs if it is there and cannot be read
 */
export async function readHead(path: string, maxBytes: number): Promise<Buffer | undefined> {
  return withFile(path, async (read) => read(0, maxBytes));
}

/** @param recordBytesOf the length of a record in a file of that size: the part begins at a whole one */
export async function readTail(
  path: string,
  maxBytes: number,
  recordBytesOf: (sizeBytes: number) => number,
): Promise<{ readonly bytes: Buffer; readonly sizeBytes: number } | undefined> {
  return withFile(path, async (read, sizeBytes) => {
    const recordBytes = recordBytesOf(sizeBytes);
    const wholeBytes = sizeBytes - (sizeBytes % recordBytes);
    const takenBytes = Math.min(wholeBytes, maxBytes - (maxBytes % recordBytes));
    return { bytes: await read(wholeBytes - takenBytes, takenBytes), sizeBytes };
  });
}

/** Many small files at once need no memory before they have something to say. */
const chunkBytes = 16_384;

async function withFile<T>(
  path: string,
  use: (read: (position: number, maxBytes: number) => Promise<Buffer>, sizeBytes: number) => Promise<T>,
): Promise<T | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const read = async (position: number, maxBytes: number) => {
      const chunks: Buffer[] = [];
      for (let total = 0; total < maxBytes; ) {
        const chunk = Buffer.alloc(Math.min(chunkBytes, maxBytes - total));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, position + total);
        if (bytesRead === 0) break;
        chunks.push(chunk.subarray(0, bytesRead));
        total += bytesRead;
      }
      return Buffer.concat(chunks);
    };
    return await use(read, size);
  } finally {
    await file.close();
  }
}

/** No such file; or the process it told of has ended meanwhile. */
export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH';
}
