import { createHash } from 'node:crypto';

/** How many of a file's first bytes tell it from another: a log line or more, with a time and a process id in it. */
export const headBytes = 1024;

/**
 * What is stored beside an offset, `LENGTH:HASH` of the file's first bytes: an inode number is used again soon after its file is gone, and
 * copytruncate keeps it. The length is part of it, because a file may be shorter than headBytes when the mark is made.
 */
export function headMark(head: Buffer): string {
  return `${head.length}:${createHash('sha256').update(head).digest('hex').slice(0, 32)}`;
}

/** Whether the file that begins with these bytes is the one that the mark was made of. `head`: headBytes of them, or all there are. */
export function fitsMark(mark: string, head: Buffer): boolean {
  const length = Number(/^(\d{1,4}):/.exec(mark)?.[1]);
  return length <= head.length && headMark(head.subarray(0, length)) === mark;
}

/** Whether a file that began with `before` may now begin with `after` without ever having been anything but appended to. */
export function continuesHead(before: Buffer, after: Buffer): boolean {
  return after.length >= before.length && after.subarray(0, before.length).equals(before);
}
