import { defaultSection, type Section } from './ini-file.ts';
import { Mistake } from './mistake.ts';
import { maxValueLength, type Place, placeAt, type SourcedText, sourced, splice } from './sourced-text.ts';

/** What `%(name)s` is looked up in. */
export interface Sources {
  readonly sections: ReadonlyMap<string, Section>;
  readonly defaults: Section;
  readonly known: ReadonlyMap<string, Section>;
}

/** As deep as Python's configparser goes. */
const maxDepth = 10;
/** Replacements within one value: keys that each name the next ones twice would take for ever. */
const maxReplacements = 10_000;

const noVariables: Section = new Map();

/**
 * The value of a key with every `%(name)s` replaced and `%%` made `%`.
 *
 * @param variables count before the section's own keys
 * @returns undefined if neither variables nor section nor DEFAULT have the key
 * @throws {Mistake} for a name that is not defined, a `%` alone, values that go round in a circle
 */
export function interpolate(sources: Sources, section: string, key: string, variables: Section = noVariables): SourcedText | undefined {
  const lookup = lookupIn(sources, section, lowered(variables));
  const value = lookup(key.toLowerCase());
  return value === undefined ? undefined : expand(value, lookup, { key, section, budget: { left: maxReplacements } }, 1);
}

/**
 * The same for `section/key`, `known/key` and `default/key`, as tags name them. Without such a section, or without the key in it, the whole
 * name is looked up like any other.
 *
 * @throws {Mistake} like interpolate
 */
export function interpolateAnywhere(sources: Sources, section: string, name: string, variables: Section): SourcedText | undefined {
  const [, owner = '', key = ''] = /^([\p{L}\p{N}_-]+)\/([^\s>]+)$/u.exec(name) ?? [];
  if (owner !== '') {
    const lower = owner.toLowerCase();
    const value =
      lower === 'known'
        ? (interpolate({ ...sources, sections: sources.known, known: new Map() }, section, key) ?? interpolate(sources, section, key))
        : interpolate(sources, lower === 'default' ? defaultSection : owner, key);
    if (value !== undefined) return value;
  }
  return interpolate(sources, section, name, variables);
}

type Lookup = (name: string, written?: string) => SourcedText | undefined;

function lookupIn({ sections, defaults, known }: Sources, section: string, variables: Section): Lookup {
  const own = section === defaultSection ? defaults : sections.get(section);
  // Without the section there is no key, not even one of DEFAULT.
  if (own === undefined) return () => undefined;
  return (name, written) => {
    if (written !== undefined && name === '__name__') return sourced(section, { file: '', line: 0, column: 1 });
    const direct = variables.get(name) ?? own.get(name) ?? defaults.get(name);
    // The key of another section is found by the very letters that are written, and keys are in lower case: so must they be.
    if (direct !== undefined || written !== name) return direct;
    const [, owner = '', key = ''] = /^([\p{L}\p{N}_-]+)\/([^)]+)$/u.exec(name) ?? [];
    if (owner === '') return undefined;
    if (owner === 'default') return defaults.get(key);
    const others = owner === 'known' ? (known.get(section) ?? noVariables) : sections.get(owner);
    return others === undefined ? undefined : (others.get(key) ?? defaults.get(key));
  };
}

interface Context {
  readonly key: string;
  readonly section: string;
  readonly budget: { left: number };
}

function expand(value: SourcedText, lookup: Lookup, context: Context, depth: number): SourcedText {
  if (depth > maxDepth) {
    throw new Mistake(
      value.places[0],
      `"${context.key}" in [${context.section}]: values name each other more than ${maxDepth} deep, or in a circle`,
    );
  }
  let result = value;
  let at = value.text.indexOf('%');
  while (at !== -1) {
    const { text } = result;
    const place = placeAt(result, at);
    if (text[at + 1] === '%') {
      result = splice(result, at, at + 2, sourced('%', place));
      at = result.text.indexOf('%', at + 1);
      continue;
    }
    const [reference, name = ''] = /^%\(([^)]+)\)s/.exec(text.slice(at, at + maxReference)) ?? [];
    if (reference === undefined) throw lonePercent(place, text.slice(at, at + 20), context);
    if (--context.budget.left < 0)
      throw new Mistake(place, `"${context.key}" in [${context.section}]: more than ${maxReplacements} replacements`);
    const found = lookup(name.toLowerCase(), name);
    if (found === undefined) throw new Mistake(place, `"${name}" is not defined, and "${context.key}" in [${context.section}] needs it`);
    const inner = found.text.includes('%') ? expand(found, lookup, context, depth + 1) : found;
    result = splice(result, at, at + reference.length, withPlace(inner, place));
    if (result.text.length > maxValueLength) {
      throw new Mistake(place, `"${context.key}" in [${context.section}] grows beyond ${maxValueLength} characters`);
    }
    at = result.text.indexOf('%', at + inner.text.length);
  }
  return result;
}

/** `%(NAME)s` with the longest name. */
const maxReference = 1024;

function lonePercent(place: Place, found: string, { key, section }: Context): Mistake {
  const help = 'write %% for a percent sign, as in datepattern = %%Y-%%m-%%d';
  return new Mistake(
    place,
    `"${key}" in [${section}]: "%" must be followed by "%" or "(name)s", found "${found.split('\n')[0] ?? ''}"`,
    help,
  );
}

/** What was written nowhere (`__name__`) counts as written where it is used. */
function withPlace(value: SourcedText, place: Place): SourcedText {
  return value.places[0].line === 0 ? sourced(value.text, place) : value;
}

function lowered(variables: Section): Section {
  if (![...variables.keys()].some((key) => key !== key.toLowerCase())) return variables;
  return new Map([...variables].map(([key, value]) => [key.toLowerCase(), value]));
}
