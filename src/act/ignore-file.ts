import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Prefix } from '../model/address.ts';
import { parseNetwork } from '../model/network-text.ts';

/** A file of whom to spare. */
export interface IgnoreFile {
  readonly networks: readonly Prefix[];
  readonly names: readonly string[];
  /** What neither is, with its line. */
  readonly unknown: readonly string[];
  /** Changes when the file does. */
  readonly state: string;
}

const maxFileBytes = 8 << 20;
/** Of the mistakes in one file. */
const maxUnknown = 10;

/**
 * Reads a file with one entry a line; `#` and `;` begin a comment. Done in one go: what it spares counts from the first line on, and it is small.
 *
 * @param state of what is known; the same: it is not read again
 * @returns undefined if it has not changed
 * @throws {Error} of node:fs, or if it is too long
 */
export function readIgnoreFile(path: string, state: string | undefined): IgnoreFile | undefined {
  const file = openSync(path, 'r');
  try {
    const { ino, size, mtimeMs } = fstatSync(file);
    const current = `${ino} ${size} ${mtimeMs}`;
    if (current === state) return undefined;
    if (size > maxFileBytes) throw new Error(`it is longer than ${maxFileBytes >> 20} MB`);
    const bytes = Buffer.alloc(size);
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read) read = readSync(file, bytes, length, size - length, length);
    return { ...parseIgnoreFile(bytes.toString('utf8', 0, length)), state: current };
  } finally {
    closeSync(file);
  }
}

export function parseIgnoreFile(text: string): Omit<IgnoreFile, 'state'> {
  const networks: Prefix[] = [];
  const names: string[] = [];
  const unknown: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    for (const word of line.replace(/[#;].*/, '').split(/[\s,]+/)) {
      if (word === '') continue;
      const network = parseNetwork(word);
      if (network !== undefined) networks.push(network);
      else if (/^(?=.*[a-z])[\w-]+(?:\.[\w-]+)*\.?$/i.test(word)) names.push(word);
      else if (unknown.length < maxUnknown) unknown.push(`line ${index + 1}: "${word.slice(0, 80)}"`);
    }
  }
  return { networks, names, unknown };
}
