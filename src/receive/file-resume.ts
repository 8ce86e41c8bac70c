import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fitsMark } from './file-head.ts';
import { isCompressed } from './file-pattern.ts';
import { type FilePosition, OpenFile, type Reading } from './open-file.ts';

/** What to read of one path, oldest first; the last is the file of that name. */
export type Resumed =
  /** `gap`: something was not read and is gone. */
  | { readonly kind: 'resumed'; readonly files: readonly OpenFile[]; readonly gap: boolean }
  /** It was never read. */
  | { readonly kind: 'new' };

/**
 * Finds what was not read yet of a path, where an earlier run left off.
 *
 * If the file was rotated since, the old one is looked for in the same directory, whatever it is called now, and read to its end; then
 * those rotated after it; then the file itself, whole. Compressed ones are not read: logrotate's delaycompress leaves one.
 */
export async function resume(file: OpenFile, positions: readonly FilePosition[], reading: Reading): Promise<Resumed> {
  const { path } = file;
  const own = await positionOf(file, positions);
  if (own !== undefined) {
    file.beginAt(own.offsetBytes);
    return { kind: 'resumed', files: [file], gap: false };
  }
  const last = positions.find((position) => position.path === path);
  if (last === undefined) return { kind: 'new' };

  const rotated = await rotatedFrom(last, file.inode);
  const files: OpenFile[] = [];
  let gap = true;
  for (const { path: name } of rotated) {
    const old = await OpenFile.open(name, reading).catch(() => undefined);
    if (old === undefined) continue; // gone or forbidden since it was listed
    const isLast = files.length === 0 && (await holds(old, last));
    if (isLast) gap = false;
    if (files.length === 0 && !isLast) {
      await old.close();
      continue;
    }
    old.beginAt(isLast ? last.offsetBytes : ((await positionOf(old, positions))?.offsetBytes ?? 0));
    old.path = path;
    old.isCopy = isLast && old.inode !== last.inode;
    files.push(old);
  }
  return { kind: 'resumed', files: [...files, file], gap };
}

/**
 * Files that had the name for so short a time that nobody saw them: written after the one that was followed last, before the present one,
 * rotated away already. Oldest first; they are read whole.
 */
export async function rotatedBetween(last: OpenFile, file: OpenFile, reading: Reading): Promise<readonly OpenFile[]> {
  const all = await siblings(file.path, file.inode);
  const before = all.findIndex(({ inode }) => inode === last.inode);
  if (before === -1) return []; // it is gone, so nothing tells what came after it
  const opened = all.slice(before + 1).map(async ({ path, rotated }) => {
    if (!rotated) return [];
    const between = await OpenFile.open(path, reading).catch(() => undefined);
    if (between === undefined) return [];
    between.path = file.path;
    return [between];
  });
  return (await Promise.all(opened)).flat();
}

/**
 * After copytruncate: the copy, which holds what was written last and was not read yet.
 *
 * @param was the position in the file before it was truncated
 */
export async function findCopy(file: OpenFile, was: FilePosition, reading: Reading): Promise<OpenFile | undefined> {
  for (const { path } of (await siblings(file.path, file.inode)).filter(({ rotated }) => rotated).toReversed()) {
    const copy = await OpenFile.open(path, reading).catch(() => undefined);
    if (copy === undefined) continue;
    if (await holds(copy, was)) {
      copy.beginAt(was.offsetBytes);
      copy.path = file.path;
      copy.isCopy = true;
      return copy;
    }
    await copy.close();
  }
  return undefined;
}

/** Whether the position can be in this file. With the same first line of a log, time and process in it, two files are one, or copies. */
async function holds(file: OpenFile, position: FilePosition): Promise<boolean> {
  return position.offsetBytes <= (await file.size()) && fitsMark(position.head, file.head);
}

/** @returns the position in this very file, not in another that has its inode number or its name */
async function positionOf(file: OpenFile, positions: readonly FilePosition[]): Promise<FilePosition | undefined> {
  let found: FilePosition | undefined;
  for (const position of positions) {
    if (position.inode !== file.inode || position.offsetBytes <= (found?.offsetBytes ?? -1)) continue;
    if (await holds(file, position)) found = position;
  }
  return found;
}

interface Sibling {
  readonly path: string;
  readonly inode: bigint;
  readonly changedNs: bigint;
  /** By its name: mail.log.1, mail.log-20261122 */
  readonly rotated: boolean;
}

/** Files that may hold the position, and those that were rotated after it: by inode, else (copytruncate) all that have such a name. */
async function rotatedFrom(last: FilePosition, current: bigint): Promise<readonly Sibling[]> {
  const all = await siblings(last.path, current);
  const renamed = all.findIndex(({ inode }) => inode === last.inode);
  return all.filter(({ rotated }, index) => index === renamed || (rotated && index > renamed));
}

/** The other files of the directory, oldest first by their last change. */
async function siblings(path: string, current: bigint): Promise<readonly Sibling[]> {
  const directory = dirname(path);
  const found: Sibling[] = [];
  for (const name of await readdir(directory)) {
    if (isCompressed(name)) continue;
    const status = await stat(join(directory, name), { bigint: true }).catch(() => undefined);
    if (status?.isFile() !== true || status.ino === current) continue;
    const rotated = name.startsWith(basename(path)) && /^[.-]\d+(?:-\d+)?$/.test(name.slice(basename(path).length));
    found.push({ path: join(directory, name), inode: status.ino, changedNs: status.mtimeNs, rotated });
  }
  return found.toSorted((a, b) => Number(a.changedNs - b.changedNs) || generationOf(b.path) - generationOf(a.path));
}

/** The clock of file systems ticks every few milliseconds: where it does not tell, mail.log.2 is older than mail.log.1. */
function generationOf(path: string): number {
  return Number(/\.(\d{1,3})$/.exec(path)?.[1] ?? 0);
}
