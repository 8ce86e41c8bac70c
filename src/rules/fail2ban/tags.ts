import type { Section } from './ini-file.ts';
import { Mistake } from './mistake.ts';
import { maxValueLength, placeAt, type SourcedText, splice } from './sourced-text.ts';

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
  const counts = new Map<string, Map<string, number>>();
  let pending = [...result.keys()].filter((key) => !kept.has(key) && result.get(key)?.text.includes('<') === true);
  // A replaced value may hold a new tag that its parts form together: <mdre-<mode>> needs a second pass.
  while (pending.length > 0) {
    pending = pending.filter((key) => {
      const value = result.get(key);
      if (value === undefined) return false;
      const countOf = counts.get(key) ?? new Map<string, number>();
      counts.set(key, countOf);
      const next = substituteOnce(key, value, (name) => (kept.has(name) ? undefined : (result.get(name) ?? lookup(name))), kept, countOf);
      if (next === value) return false;
      result.set(key, next);
      return next.text.includes('<');
    });
  }
  return result;
}

function substituteOnce(
  key: string,
  value: SourcedText,
  find: (name: string) => SourcedText | undefined,
  kept: ReadonlySet<string>,
  counts: Map<string, number>,
): SourcedText {
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
    if (count > maxReplacements)
      throw new Mistake(place, `"${key}" replaces <${name}> more than ${maxReplacements} times: the values name each other in a circle`);
    const inner = find(name);
    if (inner === undefined) continue;
    counts.set(name, count + 1);
    result = replaceAll(result, written, inner, key);
    from = found.index;
  }
}

function replaceAll(value: SourcedText, written: string, inner: SourcedText, key: string): SourcedText {
  let result = value;
  let at = result.text.indexOf(written);
  while (at !== -1) {
    if (result.text.length + inner.text.length > maxValueLength) {
      throw new Mistake(value.places[0], `"${key}" grows beyond ${maxValueLength} characters`);
    }
    result = splice(result, at, at + written.length, inner);
    at = result.text.indexOf(written, at + inner.text.length);
  }
  return result;
}
