import { readdirSync, statSync } from 'node:fs';
import type { Place, SourcedText } from './sourced-text.ts';
import { linesOf } from './sourced-text.ts';

/** One line of `logpath`. */
export interface LogPath {
  /** A path, or a pattern with `*`, `?`, `[..]`. */
  readonly pattern: string;
  /** Where reading begins when nothing is known of the file: at its start (fail2ban then goes to now minus findtime), or at its end. */
  readonly from: 'head' | 'tail';
  readonly place: Place;
  /** What the pattern stands for now, sorted; dangling links left out. fail2ban looks only once, too. */
  readonly files: readonly string[];
}

/** The last word of a line with a space says where to begin: so a path has no space. */
export function parseLogPaths(value: SourcedText): readonly LogPath[] {
  return linesOf(value).map(({ text, place }) => {
    const space = text.lastIndexOf(' ');
    const pattern = space === -1 ? text : text.slice(0, space);
    return {
      pattern,
      from: text.slice(space + 1).toLowerCase() === 'tail' && space !== -1 ? 'tail' : 'head',
      place,
      files: filesOf(pattern),
    };
  });
}

const maxFiles = 1_024;

/** Sorted; `*` does not fit a leading dot, as in a shell (glob(7)). */
export function filesOf(pattern: string): readonly string[] {
  let found: readonly string[] = [pattern.startsWith('/') ? '/' : ''];
  const segments = pattern.split('/').filter((segment) => segment !== '');
  for (const segment of segments) {
    found = found.flatMap((directory) => {
      const under = (name: string) => `${directory}${directory === '' || directory.endsWith('/') ? '' : '/'}${name}`;
      if (!/[*?[]/.test(segment)) return [under(segment)];
      const matcher = segmentMatcher(segment);
      return namesIn(directory === '' ? '.' : directory).flatMap((name) =>
        matcher.test(name) && (!name.startsWith('.') || segment.startsWith('.')) ? [under(name)] : [],
      );
    });
    found = found.slice(0, maxFiles);
  }
  return segments.length === 0 ? [] : found.filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined).toSorted();
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not there, not a directory, not ours to read: nothing fits
  }
}

function segmentMatcher(segment: string): RegExp {
  let source = '';
  for (let at = 0; at < segment.length; at++) {
    const char = segment.charAt(at);
    if (char === '*') source += '[^]*';
    else if (char === '?') source += '[^]';
    else {
      // `]` directly behind the opening is itself; a bracket that is never closed is a plain character.
      const [whole, not, members] = char === '[' ? (/^\[(!?)(\]?[^\]]*)\]/.exec(segment.slice(at)) ?? []) : [];
      if (whole === undefined || members === undefined) source += char.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      else {
        source += `[${not === '!' ? '^' : ''}${members.replace(/[\\\]^[]/g, '\\$&')}]`;
        at += whole.length - 1;
      }
    }
  }
  try {
    return new RegExp(`^${source}$`, 'u');
  } catch {
    return /(?!)/; // a range that runs backwards fits nothing
  }
}
