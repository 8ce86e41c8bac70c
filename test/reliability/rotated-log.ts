import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** A log that is rotated as logrotate does it, in each of its ways; never between the two halves of a line. */
export interface RotatedLog {
  readonly append: (text: string) => void;
  /** `create`. */
  readonly rename: () => void;
  readonly copyAndTruncate: () => void;
  /** `delaycompress`: the one before the last is compressed. */
  readonly renameAndCompress: () => void;
}

/** @param kept how many old ones stay */
export function rotatedLog(path: string, kept: number): RotatedLog {
  appendFileSync(path, '');
  const old = (number: number): string => `${path}.${number}`;
  const shift = (): void => {
    for (let number = kept; number >= 1; number--) {
      for (const suffix of ['', '.gz']) if (existsSync(old(number) + suffix)) renameSync(old(number) + suffix, old(number + 1) + suffix);
    }
    for (const name of readdirSync(dirname(path))) if (name.startsWith(`${basename(path)}.${kept + 1}`)) rmSync(join(dirname(path), name));
  };
  const rename = (): void => {
    shift();
    renameSync(path, old(1));
    appendFileSync(path, '');
  };
  return {
    append: (text) => appendFileSync(path, text),
    rename,
    copyAndTruncate: () => {
      shift();
      copyFileSync(path, old(1));
      truncateSync(path);
    },
    renameAndCompress: () => {
      rename();
      if (!existsSync(old(2))) return;
      writeFileSync(`${old(2)}.gz`, gzipSync(readFileSync(old(2))));
      rmSync(old(2));
    },
  };
}
