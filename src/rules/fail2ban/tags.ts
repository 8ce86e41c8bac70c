import type { Section } from './ini-file.ts';
import { Mistake } from './mistake.ts';
import { maxValueLength, maxWrittenLength, placeAt, type Replacement, replaceParts, type SourcedText } from './sourced-text.ts';

/** A `<name>`: no space, no further bracket. So the innermost one of `<mdre-<mode>>` is found first. */
const tag = /<([^ <>]+)>/g;

/** How often one tag may be replaced in one value, as in fail2ban. */
const maxReplacements = 25;

/** A name that conditional sections define for one address family: `blocktype?family=inet6`. */
const conditional = /^([\p{L}\p{N}_]+)\?./u;

export interface TagOptions {
  /** Tags that stay, and keys whose values stay: what is only known when somebody is banned. */
  readonly ignore: ReadonlySet<string>;
  /** For names that are not among the values. */
  readonly lookup: (name: string) => SourcedText | undefined;
}

/**
 * Replaces every `<name>` in every value by the value of that name, until nothing changes. A name that nobody defines stays as it is: so
 * do `<HOST>`, `(?P<name>` and `<ip>`. Names of conditional sections stay too, since they have one value for each address family.
 *
 * @throws {Mistake} for a value that names itself, a tag that is replaced more than 25 times, a value that grows without end
 */
export function substituteTags(values: Section, { ignore, lookup }: TagOptions): Section {
  const kept = new Set(ignore);
  for (const key of values.keys()) {
    const name = conditional.exec(key)?.[1];
    if (name !== undefined) kept.add(name);
  }
  const result = new Map(values);
  const find = (name: string) => (kept.has(name) ? undefined : (result.get(name) ?? lookup(name)));
  const open = new Map<string, Progress>();
  for (const [key, { text }] of result) {
    if (!kept.has(key) && text.includes('<')) open.set(key, { key, counts: new Map(), kept, find, written: 0 });
  }
  // A replaced value may hold a new tag that its parts form together: <mdre-<mode>> needs a second pass.
  while (open.size > 0) {
    for (const [key, progress] of open) {
      const value = result.get(key);
      const next = value === undefined ? undefined : substituteOnce(value, progress);
      if (next !== undefined) result.set(key, next);
      if (next === undefined || next === value || !next.text.includes('<')) open.delete(key);
    }
  }
  return result;
}

/** How far the substitution in the value of one key has come. */
interface Progress {
  readonly key: string;
  /** How often each tag was replaced. */
  readonly counts: Map<string, number>;
  readonly kept: ReadonlySet<string>;
  readonly find: (name: string) => SourcedText | undefined;
  /** What was written in all passes, in UTF-16 code units. */
  written: number;
}

function substituteOnce(value: SourcedText, progress: Progress): SourcedText {
  const { key, counts, kept, find } = progress;
  let result = value;
  let from = 0;
  for (;;) {
    tag.lastIndex = from;
    const found = tag.exec(result.text);
    if (found === null) return result;
    const [written, name = ''] = found;
    from = found.index + written.length;
    if (kept.has(name)) continue;
    const place = placeAt(result, found.index);
    const count = counts.get(name) ?? 0;
    if (name === key) throw new Mistake(place, `"${key}" names itself: <${name}>`);
    if (count > maxReplacements) {
      throw new Mistake(place, `"${key}" replaces <${name}> more than ${maxReplacements} times: the values name each other in a circle`);
    }
    const inner = find(name);
    if (inner === undefined) continue;
    counts.set(name, count + 1);
    result = replaceAll(result, written, inner, progress);
    from = found.index;
  }
}

function replaceAll(value: SourcedText, written: string, inner: SourcedText, progress: Progress): SourcedText {
  const replacements: Replacement[] = [];
  for (let at = value.text.indexOf(written); at !== -1; at = value.text.indexOf(written, at + written.length)) {
    replacements.push({ start: at, end: at + written.length, inner });
  }
  const length = value.text.length + replacements.length * (inner.text.length - written.length);
  progress.written += length;
  if (length > maxValueLength || progress.written > maxWrittenLength) {
    throw new Mistake(value.places[0], `"${progress.key}" grows beyond ${maxValueLength} characters`);
  }
  return replaceParts(value, replacements);
}
