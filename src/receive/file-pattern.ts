import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What a path with `*`, `?` or `[...]` stands for at this moment. */
export interface Expansion {
  /** Sorted. A path without such characters stands for itself, whether it exists or not. */
  readonly paths: readonly string[];
  /** Where names may appear or vanish. */
  readonly directories: readonly string[];
}

/** A web server has a log for each of some hundred sites; with more, somebody may have written a `*` too many. */
export const maxPaths = 1_024;

export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/**
 * Finds the files of a pattern: `*` and `?` do not cross a slash and do not match a leading dot, as in a shell (glob(7)).
 *
 * Left out is what was rotated away: compressed files, and NAME.1 or NAME-20261122 beside NAME. They were read under their first name.
 *
 * @param known paths that count as present though they may be missing for a moment
 */
export async function expandPattern(path: string, known: readonly string[] = []): Promise<Expansion> {
  if (!isPattern(path)) return { paths: [path], directories: [dirname(path)] };

  const directories: string[] = [];
  let found: string[] = [path.startsWith('/') ? '/' : '.'];
  for (const segment of path.split('/').filter((part) => part !== '')) {
    if (!isPattern(segment)) {
      found = found.map((place) => join(place, segment));
      continue;
    }
    const matcher = segmentMatcher(segment);
    const next: string[] = [];
    for (const place of found) {
      directories.push(place);
      for (const name of await namesIn(place))
        if (matcher.test(name) && (!name.startsWith('.') || segment.startsWith('.'))) next.push(join(place, name));
    }
    found = next;
  }
  const present = new Set([...found, ...known]);
  const paths = found.filter((one) => !isRotated(one, present)).toSorted();
  // Files appear in the directories of the last segment, also where that segment is a plain name: DIR/*/mail.log.
  return { paths, directories: [...new Set([...directories, ...paths.map((one) => dirname(one))])] };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch {
    return []; // not there, not a directory, not ours to read: nothing matches; the caller says so
  }
}

function isRotated(path: string, present: ReadonlySet<string>): boolean {
  if (isCompressed(path)) return true;
  const [, base] = /^(.*)[.-](?:\d{1,3}|\d{8}(?:-\d{1,10})?)$/.exec(path) ?? [];
  return base !== undefined && present.has(base);
}

export function isCompressed(path: string): boolean {
  return /\.(?:gz|xz|bz2|zst|lz4|Z)$/.test(path);
}

/** One segment as an expression; of a segment of n characters it takes at most n stars, so there is no bomb in it that the admin did not write. */
function segmentMatcher(segment: string): RegExp {
  const source = segment.replaceAll(/\*+|\?|\[!?\]?[^\]]*\]|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.length > 2 && part.startsWith('[')) return characterClass(part.slice(1, -1));
    return part.replace(/[$()*+./?[\\\]^{|}]/, '\\$&');
  });
  return new RegExp(`^${source}$`, 'su');
}

function characterClass(inner: string): string {
  const negated = inner.startsWith('!');
  const members = (negated ? inner.slice(1) : inner).replaceAll(/[\\\]^[&]/g, '\\$&');
  return `[${negated ? '^' : ''}${members}]`;
}
