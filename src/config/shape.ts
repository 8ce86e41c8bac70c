import type * as v from 'valibot';
import { nearestName } from '../model/spelling.ts';
import { schema } from './schema.ts';
import type { Entry, MapTree, Span, Tree } from './tree.ts';
import { shown } from './values.ts';

/**
 * The parts of a valibot schema that lead to other schemas. The library types each schema apart; walking all of them needs one view.
 * `entries`: of a mapping with known keys; `item`: of a list; `value`: of a mapping with keys of the writer's choice; `options`: of a union.
 */
export interface Shape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly value?: v.GenericSchema;
  readonly options?: readonly v.GenericSchema[];
  readonly literal?: string;
}

/** What a schema is behind `optional`. */
export function shapeOf(schema: v.GenericSchema): Shape {
  let at: Shape & { readonly wrapped?: v.GenericSchema } = schema;
  while (at.wrapped !== undefined) at = at.wrapped;
  // A picklist calls its texts options too.
  return at.type === 'picklist' ? { type: at.type } : at;
}

/** Names under which people know some of our settings from elsewhere, and what they are here. */
const known: ReadonlyMap<string, string> = new Map([
  ['ignoreip', 'allowlist'],
  ['ignoreself', "nothing: this host's own addresses are never banned"],
  ['whitelist', 'allowlist'],
  ['logpath', 'sources.files[].path'],
  ['backend', 'sources.own'],
  ['dbfile', 'state.path'],
  ['failregex', 'a pattern in /etc/sluice/rules.d/NAME.yaml, or "fail2ban: { failregex: [...] }" in a jail'],
  ['ignoreregex', '"except" in /etc/sluice/rules.d/NAME.yaml, or "fail2ban: { ignoreregex: [...] }" in a jail'],
  ['action', 'enforce.mode'],
  ['banaction', 'enforce.mode'],
  ['dry_run', 'observe: true'],
  ['bantime.increment', 'bantime: { first: 1h, factor: 2, max: 4w }'],
  ['bantime.factor', 'bantime: { first: 1h, factor: 2, max: 4w }'],
  ['bantime.maxtime', 'bantime: { first: 1h, factor: 2, max: 4w }'],
]);

export type Report = (span: Span, message: string, help?: string) => void;

export interface Shaped {
  readonly tree: Tree;
  /** Keys that were probably meant by unknown ones: that they are missing needs no further word. In the form of `pathKey`. */
  readonly guessed: ReadonlySet<string>;
}

/**
 * Finds unknown keys, and lists and mappings where others belong; leaves them out, so that the rest can be looked at. All at once, where
 * valibot names the first unknown key alone and takes a list for a mapping.
 */
export function checkShape(tree: Tree, report: Report): Shaped {
  const guessed = new Set<string>();
  return { tree: shaped(schema, tree, [], report, guessed) ?? { kind: 'map', span: tree.span, entries: new Map() }, guessed };
}

export function pathKey(path: readonly (string | number)[]): string {
  return JSON.stringify(path.map(String));
}

function shaped(schema: v.GenericSchema, tree: Tree, path: readonly string[], report: Report, guessed: Set<string>): Tree | undefined {
  const shape = choose(shapeOf(schema), tree);
  const { entries, item, value } = shape;
  const wanted = entries !== undefined || value !== undefined ? 'map' : item !== undefined ? 'list' : 'scalar';
  // `allowlist:` with nothing but comments below it is an empty list. For a scalar there is nothing to take: valibot says what is wanted.
  if (tree.kind === 'scalar' && tree.value === null && wanted !== 'scalar') {
    return wanted === 'map' ? { kind: 'map', span: tree.span, entries: new Map() } : { kind: 'list', span: tree.span, items: [] };
  }
  if (wanted === 'scalar') return tree;
  if (wanted === 'list') {
    if (tree.kind !== 'list') {
      const help = tree.kind === 'scalar' ? `write [${String(tree.value)}]` : undefined;
      report(tree.span, `found ${found(tree)}, wanted a list`, help);
      return undefined;
    }
    return {
      ...tree,
      items: tree.items.flatMap((each, index) => shaped(item ?? schema, each, [...path, String(index)], report, guessed) ?? []),
    };
  }
  if (tree.kind !== 'map') {
    const what = entries === undefined ? 'a mapping from names to settings' : `a mapping with ${orList(Object.keys(entries))}`;
    report(tree.span, `found ${found(tree)}, wanted ${what}`, tree.kind === 'scalar' ? keyFor(String(tree.value), entries) : undefined);
    return undefined;
  }
  return { ...tree, entries: new Map(keptEntries(tree, shape, path, report, guessed)) };
}

function* keptEntries(
  tree: MapTree,
  { entries, value }: Shape,
  path: readonly string[],
  report: Report,
  guessed: Set<string>,
): Generator<[string, Entry]> {
  for (const [name, entry] of tree.entries) {
    const below = entries === undefined ? value : Object.hasOwn(entries, name) ? entries[name] : undefined;
    if (below === undefined) {
      const near = nearestName(name, Object.keys(entries ?? {}));
      if (near !== undefined) guessed.add(pathKey([...path, near]));
      report(entry.key, `unknown key "${name}"${suggestion(name, near, Object.keys(entries ?? {}))}`);
      continue;
    }
    const kept = shaped(below, entry.value, [...path, name], report, guessed);
    if (kept !== undefined) yield [name, { key: entry.key, value: kept }];
  }
}

/** Of a union, the option that fits what was written. Of two scalars it does not matter which. */
function choose(shape: Shape, tree: Tree): Shape {
  if (shape.options === undefined) return shape;
  const options = shape.options.map(shapeOf);
  const map = options.find(({ entries, value }) => entries !== undefined || value !== undefined);
  const list = options.find(({ item }) => item !== undefined);
  const scalar = options.find((option) => option !== map && option !== list);
  return (tree.kind === 'map' ? map : tree.kind === 'list' ? list : scalar) ?? scalar ?? shape;
}

function suggestion(name: string, near: string | undefined, siblings: readonly string[]): string {
  if (near !== undefined) return `; did you mean "${near}"?`;
  const elsewhere = known.get(name.toLowerCase());
  if (elsewhere !== undefined) return `; here that is ${elsewhere}`;
  const far = nearestName(name, homes().keys());
  if (far !== undefined) return `; did you mean "${far}" (in ${homes().get(far)})?`;
  return `; wanted ${orList(siblings)}`;
}

let allHomes: ReadonlyMap<string, string> | undefined;

/** Every key of the schema with where it belongs: maxretry -> jails.NAME. */
function homes(): ReadonlyMap<string, string> {
  if (allHomes === undefined) {
    const found = new Map<string, string>();
    collectHomes(schema, '', found);
    allHomes = found;
  }
  return allHomes;
}

function collectHomes(schema: v.GenericSchema, place: string, found: Map<string, string>): void {
  const { entries, item, value, options } = shapeOf(schema);
  for (const [name, below] of Object.entries(entries ?? {})) {
    // Jails come behind the defaults and take their keys over: that is where most people look for them. Not so what is for imported jails.
    if (!place.startsWith('jails.NAME.fail2ban') || !found.has(name)) found.set(name, place === '' ? 'the outermost mapping' : place);
    collectHomes(below, place === '' ? name : `${place}.${name}`, found);
  }
  if (item !== undefined) collectHomes(item, `${place}[]`, found);
  if (value !== undefined) collectHomes(value, `${place}.NAME`, found);
  for (const option of options ?? []) collectHomes(option, place, found);
}

/** What a text was probably meant to be, where a mapping is wanted. */
function keyFor(written: string, entries: Shape['entries'] = {}): string | undefined {
  if (/^[a-z_]+:\S/.test(written) && !/^[a-z]+:\/\//.test(written)) return 'a key needs a space behind its colon';
  const name = ['path', 'listen', 'mode', 'socket'].find((each) => Object.hasOwn(entries, each));
  return name === undefined ? undefined : `write { ${name}: ${written} }`;
}

function found(tree: Tree): string {
  return tree.kind === 'scalar' ? shown(tree.value) : tree.kind === 'list' ? 'a list' : 'a mapping';
}

function orList(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? 'nothing') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
