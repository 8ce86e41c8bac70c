import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { type IniFile, type IniMistake, parseIni, type Section } from './ini-file.ts';
import { interpolate } from './interpolate.ts';
import { diagnosticAt, Mistake } from './mistake.ts';
import type { Place, SourcedText } from './sourced-text.ts';

/** Several files laid over each other: what one jail.conf, filter or action is made of. */
export interface Layers {
  /** In the order of their first appearance. Conditional sections are merged: `[Init?family=inet6]` x is `x?family=inet6` of Init. */
  readonly sections: ReadonlyMap<string, Section>;
  readonly defaults: Section;
  /** For each section what its keys held before the latest file that overwrote them: `known/`. */
  readonly known: ReadonlyMap<string, Section>;
  readonly headings: ReadonlyMap<string, Place>;
  readonly files: readonly string[];
  readonly mistakes: readonly IniMistake[];
}

const maxFileBytes = 1 << 20;
/** Files of one name with all that they include. Stock names have at most six. */
const maxFiles = 256;
const maxIncludeDepth = 32;

/** Reads and parses each file once: filters share their includes. */
export class IniCache {
  readonly #files = new Map<string, IniFile | undefined>();
  readonly #texts = new Map<string, string>();

  /** Text of every file that was read, for diagnostics. */
  get texts(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  /** @returns undefined if there is no such file, or it may not be read: like fail2ban, which goes on without it */
  read(path: string): IniFile | undefined {
    if (this.#files.has(path)) return this.#files.get(path);
    const file = this.#load(path);
    this.#files.set(path, file);
    return file;
  }

  #load(path: string): IniFile | undefined {
    const at = { file: path, line: 0, column: 1 };
    const broken = (message: string, help?: string): IniFile => ({
      ...parseIni(path, ''),
      mistakes: [{ section: undefined, diagnostic: diagnosticAt(at, message, { help }) }],
    });
    let bytes: Buffer;
    try {
      const size = statSync(path).size;
      if (size > maxFileBytes) return broken(`the file has ${size} bytes; more than ${maxFileBytes} are not read`);
      bytes = readFileSync(path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' ? undefined : broken(`the file cannot be read (${String(code)})`);
    }
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      this.#texts.set(path, text);
      return parseIni(path, text);
    } catch {
      return broken('the file is not UTF-8', 'save it as UTF-8');
    }
  }
}

/**
 * The files of a name, as far as they exist: `N.conf`, `N.d/*.conf`, `N.local`, `N.d/*.local`. Later values win.
 *
 * @param base DIR/N
 * @returns undefined if there is none
 */
export function readLayers(base: string, cache: IniCache): Layers | undefined {
  const parts = `${base}.d`;
  const paths = [`${base}.conf`, ...namesIn(parts, '.conf'), `${base}.local`, ...namesIn(parts, '.local')];
  return readFiles(paths.filter(exists), cache);
}

/** Exactly this file with its `.local` and its includes: for a filter that lies anywhere. */
export function readSingle(path: string, cache: IniCache): Layers | undefined {
  return readFiles([path], cache);
}

function readFiles(paths: readonly string[], cache: IniCache): Layers | undefined {
  const order: IniFile[] = [];
  const problems: IniMistake[] = [];
  addWithIncludes(paths, [], { order, problems, cache });
  if (order.length === 0) return undefined;
  const [first] = order;
  if (order.length >= maxFiles && first !== undefined) {
    const at = { file: first.file, line: 0, column: 1 };
    problems.push({ section: undefined, diagnostic: diagnosticAt(at, `more than ${maxFiles} files are included`) });
  }
  return merged(order, problems);
}

interface Gathering {
  readonly order: IniFile[];
  readonly problems: IniMistake[];
  readonly cache: IniCache;
}

/** Adds the files in the order in which they count: what a file includes before it, the file, what it includes behind it. */
function addWithIncludes(paths: readonly string[], ancestors: readonly string[], gathering: Gathering): void {
  for (const path of withLocal(paths)) {
    if (gathering.order.length >= maxFiles) return;
    const file = gathering.cache.read(path);
    if (file === undefined) continue;
    const line = [...ancestors, path];
    addWithIncludes(includesOf(file, 'before', line, gathering), line, gathering);
    if (gathering.order.length < maxFiles) gathering.order.push(file);
    addWithIncludes(includesOf(file, 'after', line, gathering), line, gathering);
  }
}

function includesOf(file: IniFile, key: 'before' | 'after', line: readonly string[], { problems }: Gathering): readonly string[] {
  const section = file.sections.get('INCLUDES');
  if (section === undefined || line.length > maxIncludeDepth) return [];
  const layers: Layers = { ...merged([file], []), known: new Map() };
  try {
    const value = interpolate(layers, 'INCLUDES', key);
    if (value === undefined) return [];
    const paths = value.text.split('\n').filter((path) => path !== '');
    return paths
      .map((path) => (isAbsolute(path) ? normalize(path) : join(dirname(file.file), path)))
      .filter((path) => !line.includes(path));
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    problems.push({ section: 'INCLUDES', diagnostic: error.diagnostic });
    return [];
  }
}

/** Behind each file its `.local`, if it is there and not named anyway. */
function withLocal(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    const local = path.replace(/(?<=[^/])\.[^./]*$/, '').concat('.local');
    return paths.includes(local) || !exists(local) ? [path] : [path, local];
  });
}

function merged(files: readonly IniFile[], problems: readonly IniMistake[]): Layers {
  const sections = new Map<string, Map<string, SourcedText>>();
  const known = new Map<string, Map<string, SourcedText>>();
  const defaults = new Map<string, SourcedText>();
  const headings = new Map<string, Place>();
  for (const file of files) {
    for (const [key, value] of file.defaults) defaults.set(key, value);
    for (const [heading, values] of file.sections) {
      const [, name = heading, condition = ''] = /^([\p{L}\p{N}_]+)(\?.+)$/u.exec(heading) ?? [];
      const place = file.headings.get(heading);
      if (place !== undefined && !headings.has(name)) headings.set(name, place);
      const existing = sections.get(name);
      const target = existing ?? new Map<string, SourcedText>();
      if (existing === undefined) sections.set(name, target);
      // A section that two files have is known as it was, even if no key of it changed: then known/NAME is that of DEFAULT.
      else knownOf(known, name);
      for (const [plain, value] of values) {
        const key = plain + condition;
        const before = existing?.get(key);
        if (before !== undefined) knownOf(known, name).set(key, before);
        target.set(key, value);
      }
    }
  }
  return {
    sections,
    defaults,
    known,
    headings,
    files: files.map(({ file }) => file),
    mistakes: [...problems, ...new Set(files.flatMap(({ mistakes }) => mistakes))],
  };
}

function knownOf(known: Map<string, Map<string, SourcedText>>, section: string): Map<string, SourcedText> {
  const values = known.get(section) ?? new Map<string, SourcedText>();
  known.set(section, values);
  return values;
}

/** Full paths, in the order of Python's sorted(): by code point. */
function namesIn(directory: string, ending: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(ending) && !name.startsWith('.'));
    return names.toSorted(byCodePoint).map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** `filter.d/postfix` of `/etc/fail2ban/filter.d/postfix.conf`. */
export function nameOfFile(path: string): string {
  return basename(path).replace(/\.(?:conf|local)$/, '');
}
