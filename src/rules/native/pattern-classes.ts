/** What a hole of each class may hold: a run of characters, or a fixed shape. docs/patterns.md says the same to admins. */

export type ClassName = 'addr' | 'ip' | 'host' | 'int' | 'port' | 'num' | 'word' | 'code' | 'dsn' | 'qid';

export type HoleClass =
  | {
      /** The longest run of these characters. `set` is the inside of a character class of a regular expression. */
      readonly kind: 'run';
      readonly set: string;
      readonly most: number;
    }
  /** Always the same shape: the character behind it does not change what it takes. */
  | { readonly kind: 'shape'; readonly source: string };

/** Longer runs than this do not fit: bounded work for each place where a part is tried. */
const longestRun = 255;

export const holeClasses: Readonly<Record<ClassName, HoleClass>> = {
  addr: { kind: 'run', set: '0-9A-Fa-f:.', most: longestRun },
  ip: { kind: 'run', set: '0-9A-Fa-f:.', most: longestRun },
  host: { kind: 'run', set: '^ \\t-\\r\\[\\]', most: longestRun },
  int: { kind: 'run', set: '0-9', most: longestRun },
  port: { kind: 'run', set: '0-9', most: 5 },
  num: { kind: 'run', set: '0-9.', most: longestRun },
  word: { kind: 'run', set: '^ \\t-\\r', most: longestRun },
  code: { kind: 'shape', source: '[245][0-9][0-9]' },
  dsn: { kind: 'shape', source: '[245]\\.[0-9]{1,3}\\.[0-9]{1,3}' },
  qid: { kind: 'run', set: '0-9A-Za-z', most: longestRun },
};

/** Names with a meaning of their own behind the colon of a hole, or alone in one. `client` stands for several holes. */
export const typeNames: readonly string[] = [...Object.keys(holeClasses), 'client', 'text', 'own'];

export function isClassName(name: string): name is ClassName {
  return Object.hasOwn(holeClasses, name);
}

/** The class of a run without the given character: `[0-9.]` without the dot is `[0-9]`. */
export function runSource(set: string, without: string | undefined): string {
  // Most literals begin with a character that the class does not have anyway.
  if (without === undefined || !new RegExp(`[${set}]`).test(without)) return `[${set}]`;
  return set.startsWith('^') ? `[${set}${escapeInClass(without)}]` : `(?!${literalSource(without)})[${set}]`;
}

/** A text as a regular expression that fits exactly this text. */
export function literalSource(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function escapeInClass(char: string): string {
  return /[\\\]^[-]/.test(char) ? `\\${char}` : char === '\n' ? '\\n' : char;
}
