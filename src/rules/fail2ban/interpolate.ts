import { defaultSection, type Section } from './ini-file.ts';
import { Mistake } from './mistake.ts';
import {
  maxValueLength,
  maxWrittenLength,
  type Place,
  placeAt,
  type Replacement,
  replaceParts,
  type SourcedText,
  sourced,
} from './sourced-text.ts';

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
  return value === undefined
    ? undefined
    : expand(value, lookup, { key, section, budget: { replacements: maxReplacements, written: maxWrittenLength } }, 1);
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
        ? (interpolate(asItWas(sources, section), section, key) ?? interpolate(sources, section, key))
        : interpolate(sources, lower === 'default' ? defaultSection : owner, key);
    if (value !== undefined) return value;
  }
  return interpolate(sources, section, name, variables);
}

/** With the section as it was before the latest file; without it, if no file changed it. */
function asItWas({ sections, defaults, known }: Sources, section: string): Sources {
  const others = [...sections].filter(([name]) => name !== section);
  const before = known.get(section);
  return { sections: new Map(before === undefined ? others : [...others, [section, before]]), defaults, known: new Map() };
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
  readonly budget: { replacements: number; written: number };
}

function expand(value: SourcedText, lookup: Lookup, context: Context, depth: number): SourcedText {
  const { text } = value;
  const fail = (at: number, message: string, help?: string) =>
    new Mistake(placeAt(value, at), `"${context.key}" in [${context.section}]: ${message}`, help);
  if (depth > maxDepth) throw fail(0, `values name each other more than ${maxDepth} deep, or in a circle`);
  const replacements: Replacement[] = [];
  let length = text.length;
  let at = text.indexOf('%');
  while (at !== -1) {
    const [reference = '%%', name] = /^%\(([^)]+)\)s/.exec(text.slice(at, at + maxReference)) ?? [];
    if (name === undefined && text[at + 1] !== '%') {
      const found = text.slice(at, at + 20).split('\n', 1)[0] ?? '';
      throw fail(
        at,
        `"%" must be followed by "%" or "(name)s", found "${found}"`,
        'write %% for a percent sign, as in datepattern = %%Y-%%m-%%d',
      );
    }
    const inner = name === undefined ? percent(placeAt(value, at)) : valueOf(name, { value, at, lookup, context, depth });
    replacements.push({ start: at, end: at + reference.length, inner });
    length += inner.text.length - reference.length;
    context.budget.written -= inner.text.length;
    if (length > maxValueLength || context.budget.written < 0) throw fail(at, `the value grows beyond ${maxValueLength} characters`);
    if (--context.budget.replacements < 0) throw fail(at, `more than ${maxReplacements} replacements`);
    at = text.indexOf('%', at + reference.length);
  }
  return replaceParts(value, replacements);
}

function valueOf(
  name: string,
  {
    value,
    at,
    lookup,
    context,
    depth,
  }: { readonly value: SourcedText; readonly at: number; readonly lookup: Lookup; readonly context: Context; readonly depth: number },
): SourcedText {
  const place = placeAt(value, at);
  const found = lookup(name.toLowerCase(), name);
  if (found === undefined) throw new Mistake(place, `"${name}" is not defined, and "${context.key}" in [${context.section}] needs it`);
  if (found.text.includes('%')) return expand(found, lookup, context, depth + 1);
  // What was written nowhere (`__name__`) counts as written where it is used.
  return found.places[0].line === 0 && found.places[0].file === '' ? sourced(found.text, place) : found;
}

function percent(place: Place): SourcedText {
  return sourced('%', place);
}

/** `%(NAME)s` with the longest name. */
const maxReference = 1024;

function lowered(variables: Section): Section {
  if (![...variables.keys()].some((key) => key !== key.toLowerCase())) return variables;
  return new Map([...variables].map(([key, value]) => [key.toLowerCase(), value]));
}
