import * as v from 'valibot';
import type { Place } from './config.ts';
import type { Shaped } from './shape.ts';
import { pathKey, type Report } from './shape.ts';
import { keyAt, type Path, plainValue, type Span, type Tree, treeAt } from './tree.ts';

/** A configuration whose shape is checked, part by part: a mistake in one jail must not hide those in the next. */
export interface Parts {
  /** The value at the path with its defaults filled in, or undefined if there is a mistake in it, which is reported then. */
  readonly take: <const Schema extends v.GenericSchema>(schema: Schema, path: Path) => v.InferOutput<Schema> | undefined;
  readonly treeAt: (path: Path) => Tree | undefined;
  /** An unknown key there was probably meant to be this one: that it is missing needs no further word. */
  readonly guessed: (path: Path) => boolean;
  /** Reports a mistake at the value at the path; where nothing is written, at what would hold it. */
  readonly mistake: (path: Path, message: string, help?: string) => void;
  /** Reports a mistake in a part of the text at the path, by offsets in its value. */
  readonly mistakeWithin: (path: Path, part: { readonly start: number; readonly end: number }, message: string, help?: string) => void;
  readonly warning: (path: Path, message: string, help?: string) => void;
  /** Where a part of the text at the path stands, by offsets in its value. */
  readonly within: (path: Path, part: { readonly start: number; readonly end: number }) => Span;
  /** Where the key at the path stands, or else its value. */
  readonly placeOf: (path: Path) => Place;
}

export function partsOf({ tree, guessed }: Shaped, mistake: Report, warning: Report): Parts {
  const take = <const Schema extends v.GenericSchema>(schema: Schema, path: Path): v.InferOutput<Schema> | undefined => {
    const below = treeAt(tree, path);
    const result = v.safeParse(schema, below === undefined ? undefined : plainValue(below));
    if (result.success) return result.output;
    const told = new Set<string>();
    for (const leaf of result.issues.flatMap((issue) => leaves(issue, path))) {
      const place = pathKey(leaf.path);
      if (told.has(place) || guessed.has(place)) continue;
      told.add(place);
      mistake(
        leaf.missing ? (keyAt(tree, leaf.path.slice(0, -1)) ?? spanAt(tree, leaf.path)) : spanAt(tree, leaf.path),
        leaf.missing ? `${leaf.message} in ${leaf.path.slice(0, -1).join('.')}` : leaf.message,
        helpFor(treeAt(tree, leaf.path)),
      );
    }
    return undefined;
  };
  const within = (path: Path, { start, end }: { readonly start: number; readonly end: number }): Span => {
    const found = treeAt(tree, path);
    return found?.kind === 'scalar' ? (found.part?.(start, end) ?? found.span) : spanAt(tree, path);
  };
  return {
    take,
    treeAt: (path) => treeAt(tree, path),
    guessed: (path) => guessed.has(pathKey(path)),
    mistake: (path, message, help) => mistake(spanAt(tree, path), message, help),
    mistakeWithin: (path, part, message, help) => mistake(within(path, part), message, help),
    within,
    warning: (path, message, help) => warning(spanAt(tree, path), message, help),
    placeOf: (path) => {
      const { file, line, column } = spanAt(tree, path);
      return { file, line, column };
    },
  };
}

interface Leaf {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** A key that must be there is not. */
  readonly missing: boolean;
  readonly container: boolean;
}

/** An issue of a union is one for each of its options: only those of the option that was meant help. */
function leaves(issue: v.BaseIssue<unknown>, above: Path): readonly Leaf[] {
  const path = [...above, ...(issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))];
  if (issue.type !== 'union' || issue.issues === undefined) {
    const container = issue.type === 'strict_object' || issue.type === 'array';
    return [{ path, message: issue.message, missing: issue.type === 'strict_object', container }];
  }
  const below = issue.issues.flatMap((each) => leaves(each, path));
  const holds = typeof issue.input === 'object';
  const meant = below.filter((leaf) => holds === (leaf.container || leaf.path.length > path.length));
  return meant.length > 0 ? meant : below.slice(0, 1);
}

function helpFor(tree: Tree | undefined): string | undefined {
  if (tree?.kind !== 'map' || tree.entries.size !== 1) return undefined;
  // In [fe80::] YAML sees a key "fe80:" without a value.
  const [[key, { value }] = ['', { value: tree }]] = tree.entries;
  return value.kind === 'scalar' && value.value === null ? `YAML takes a text that ends in ":" for a key: write '${key}:'` : undefined;
}

function spanAt(tree: Tree, path: Path): Span {
  for (let length = path.length; length > 0; length--) {
    const found = treeAt(tree, path.slice(0, length));
    // A mapping begins at its first key: the key that holds it says more.
    const span = found?.kind === 'scalar' ? found.span : (keyAt(tree, path.slice(0, length)) ?? found?.span);
    if (span !== undefined) return span;
  }
  return wholeFile(tree.span.file);
}

/** Where a mistake is when no line can be named. */
export function wholeFile(file: string): Span {
  return { file, line: 0, column: 0, length: 1 };
}
