import { stat } from 'node:fs/promises';
import type { FileSettings, Sink } from '../model/source.ts';
import type { FileDeps } from './file-deps.ts';
import { expandPattern, isPattern, maxPaths } from './file-pattern.ts';
import { findCopy, resume, rotatedBetween } from './file-resume.ts';
import { startOffset } from './file-start.ts';
import { fileTrouble } from './file-trouble.ts';
import { FileWatch } from './file-watch.ts';
import { OpenFile, type Reading, chunkBytes } from './open-file.ts';

const defaultPollMs = 1_000;
/** A rotated file is let go when nobody has written to it for so long and its successor is being written: not every process reopens at once. */
const keepRotatedMs = 600_000;
/** So many files of one name are kept open; beyond that the oldest is let go. */
const maxGenerations = 8;

/** Opens, reads and closes the files of one source: one at a time, one chunk at a time, the oldest generation of a path first. */
export class FileFollower {
  readonly #settings: FileSettings;
  readonly #sink: Sink;
  readonly #deps: FileDeps;
  readonly #reading: Reading;
  /** By path: the file of that name last, before it those that had the name before and may still be written to. */
  readonly #generations = new Map<string, OpenFile[]>();
  /** Files that may have something to read. */
  readonly #wanted = new Set<OpenFile>();
  /** Rotated files whose last line is not waited for any more. */
  readonly #settled = new WeakSet<OpenFile>();
  /** Paths that are opened where an earlier run left off, or at startAt; others are new and read whole. */
  readonly #unread = new Set<string>();
  readonly #fileWatch: FileWatch<OpenFile>;
  readonly #directoryWatch: FileWatch<string>;
  #look = false;
  #busy = false;
  #idle: Promise<void> = Promise.resolve();
  #served = 0;
  #poll: NodeJS.Timeout | undefined;
  #shown: string | undefined;
  #paused = false;
  #stopped = false;

  constructor(settings: FileSettings, sink: Sink, deps: FileDeps) {
    this.#settings = settings;
    this.#sink = sink;
    this.#deps = deps;
    this.#reading = {
      settings,
      sink,
      parse: deps.parse,
      decoder: settings.encoding === undefined ? undefined : new TextDecoder(settings.encoding),
      sieve: deps.sieve,
      nowMs: deps.nowMs,
      paused: () => this.#paused || this.#stopped,
      buffer: Buffer.allocUnsafeSlow(chunkBytes),
    };
    const unwatched = (why: string): void => sink.error('io', `cannot watch files (${why}): lines are seen up to a second late`);
    this.#fileWatch = new FileWatch(unwatched);
    this.#directoryWatch = new FileWatch(unwatched);
  }

  /** @returns once it is decided where to begin in the files that exist */
  async begin(): Promise<void> {
    const { paths } = await expandPattern(this.#settings.path);
    for (const path of paths) if (await exists(path)) this.#unread.add(path);
    for (const { path } of this.#deps.positions) this.#unread.add(path);
    await this.#scan();
    this.#poll = setInterval(() => this.#lookAtAll(), this.#deps.pollMs ?? defaultPollMs);
    this.#kick();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#poll);
    await this.#idle; // until then it may still open files
    this.#fileWatch.close();
    this.#directoryWatch.close();
    for (const file of this.#files()) await file.close();
    this.#generations.clear();
  }

  #files(): OpenFile[] {
    return [...this.#generations.values()].flat();
  }

  /** The safety net below inotify. */
  #lookAtAll(): void {
    this.#look = true;
    for (const file of this.#files()) this.#wanted.add(file);
    this.#kick();
  }

  #kick(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#idle = this.#work();
  }

  async #work(): Promise<void> {
    while (!this.#stopped && !this.#paused) {
      if (this.#look) {
        this.#look = false;
        await this.#scan();
        continue; // it may have to look again already
      }
      const next = this.#next();
      if (next === undefined) break;
      await this.#read(next.file, next.generations);
    }
    this.#busy = false; // no await between the last look and this: an event finds us either here or at work
  }

  /** Paths take turns; within a path the older file goes first. */
  #next(): { readonly file: OpenFile; readonly generations: OpenFile[] } | undefined {
    if (this.#wanted.size === 0) return undefined;
    const paths = [...this.#generations.values()];
    for (let turn = 1; turn <= paths.length; turn++) {
      const index = (this.#served + turn) % paths.length;
      const generations = paths[index] ?? [];
      const file = generations.find((one) => this.#wanted.has(one));
      if (file === undefined) continue;
      this.#served = index;
      return { file, generations };
    }
    return undefined;
  }

  async #read(file: OpenFile, generations: OpenFile[]): Promise<void> {
    this.#wanted.delete(file);
    try {
      const older = generations.slice(0, generations.indexOf(file));
      if (file.fresh && older.length > 0 && (await file.size()) > 0) for (const old of older) await this.#settle(old);
      const outcome = await file.read();
      if (outcome.kind === 'end') return;
      if (outcome.kind === 'replaced' && file !== generations.at(-1)) {
        // Somebody wrote something else over a rotated file: what that is, its present name says.
        await this.#drop(file, generations);
        return;
      }
      this.#wanted.add(file);
      if (outcome.kind === 'more') return;
      const copy = await findCopy(file, outcome.was, this.#reading);
      if (copy === undefined) return;
      generations.splice(generations.indexOf(file), 0, copy);
      this.#watch(copy);
    } catch (error) {
      this.#wanted.delete(file); // the next poll tries again
      this.#sink.error('io', await fileTrouble(file.path, error));
    }
  }

  /** The successor is being written: nobody will finish the last line of this one. What still comes has a name of its own, and a cursor. */
  async #settle(file: OpenFile): Promise<void> {
    if (this.#settled.has(file)) return;
    this.#settled.add(file);
    if (!file.isCopy) await file.finish();
    else if (await file.isUnfinished()) this.#sink.lost('cursor_gap', 1, `${file.path} was truncated within a line`);
    file.path = file.currentPath();
  }

  /** Finds what is new under the names, and says how the source is. */
  async #scan(): Promise<void> {
    try {
      const known = [...this.#generations.keys()];
      const { paths, directories } = await expandPattern(this.#settings.path, known);
      await this.#watchDirectories(directories);
      const troubles: string[] = [];
      for (const path of paths.slice(0, maxPaths)) {
        const trouble = await this.#openIfNew(path);
        if (trouble !== undefined) troubles.push(trouble);
      }
      if (paths.length > maxPaths) troubles.push(`${this.#settings.path} stands for ${paths.length} files; only ${maxPaths} are read`);
      this.#report(troubles);
      await this.#letGo();
    } catch (error) {
      this.#sink.error('io', await fileTrouble(this.#settings.path, error));
    }
  }

  async #watchDirectories(directories: readonly string[]): Promise<void> {
    const keys = await Promise.all(directories.map(identityOf));
    this.#directoryWatch.retain(keys);
    for (const [index, directory] of directories.entries()) {
      const isNew = this.#directoryWatch.add(keys[index] ?? directory, directory, (moved) => {
        if (!moved) return; // the files are watched themselves
        this.#look = true;
        this.#kick();
      });
      this.#look ||= isNew; // what came between reading the directory and watching it
    }
  }

  /** @returns what is wrong with it */
  async #openIfNew(path: string): Promise<string | undefined> {
    const generations = this.#generations.get(path) ?? [];
    try {
      const status = await stat(path, { bigint: true });
      const open = this.#files().find((file) => file.inode === status.ino && file.device === status.dev);
      if (open !== undefined) {
        if (!generations.includes(open)) await this.#rename(open, path);
        return undefined;
      }
      await this.#adopt(await OpenFile.open(path, this.#reading), generations);
      return undefined;
    } catch (error) {
      // Between a rename and the next file of that name there is none for a while.
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      return missing && generations.length > 0 ? undefined : fileTrouble(path, error);
    }
  }

  async #adopt(file: OpenFile, generations: OpenFile[]): Promise<void> {
    const { path } = file;
    let files: readonly OpenFile[] = [file];
    try {
      const last = generations.at(-1);
      if (this.#unread.delete(path)) files = await this.#whereLeftOff(file);
      else if (last !== undefined) files = [...(await this.#notYetOpen(await rotatedBetween(last, file, this.#reading))), file];
    } catch (error) {
      this.#unread.add(path);
      await file.close();
      throw error;
    }
    generations.push(...files);
    this.#generations.set(path, generations);
    for (const one of files) this.#watch(one);
    // What was written to the old file until now is read before the new one.
    for (const one of generations) this.#wanted.add(one);
  }

  async #notYetOpen(files: readonly OpenFile[]): Promise<readonly OpenFile[]> {
    const known = new Set(this.#files().map(({ inode }) => inode));
    for (const file of files) if (known.has(file.inode)) await file.close();
    return files.filter(({ inode }) => !known.has(inode));
  }

  async #whereLeftOff(file: OpenFile): Promise<readonly OpenFile[]> {
    const { positions, startAt, parse, nowMs } = this.#deps;
    const resumed = await resume(file, positions, this.#reading);
    if (resumed.kind === 'resumed') {
      if (resumed.gap) this.#sink.lost('cursor_gap', 1, `${file.path} was rotated, and the rest of the old file is gone or compressed`);
      return resumed.files;
    }
    const { timezone, program } = this.#settings;
    const context = { nowMs: nowMs(), timezone, program };
    const offset = await startOffset(file.handle, startAt, (line) => {
      const parsed = parse(line, context);
      return parsed.kind === 'message' ? parsed.message.stamp?.ms : undefined;
    });
    file.beginAt(offset);
    return [file];
  }

  /** From one name of the pattern to another: it goes on where it is. Two names of one file: the first is kept. */
  async #rename(file: OpenFile, path: string): Promise<void> {
    const status = await stat(file.path, { bigint: true }).catch(() => undefined);
    if (status?.ino === file.inode) return;
    for (const generations of this.#generations.values()) {
      const index = generations.indexOf(file);
      if (index !== -1) generations.splice(index, 1);
    }
    file.path = path;
    this.#generations.set(path, [...(this.#generations.get(path) ?? []), file]);
  }

  #watch(file: OpenFile): void {
    this.#wanted.add(file);
    this.#fileWatch.add(file, file.watchPath, (moved) => {
      this.#wanted.add(file);
      if (moved) this.#look = true;
      this.#kick();
    });
  }

  async #letGo(): Promise<void> {
    const nowMs = this.#deps.nowMs();
    for (const [path, generations] of this.#generations) {
      for (const file of generations.slice(0, -1)) {
        const tooMany = generations.length > maxGenerations;
        const quiet = this.#settled.has(file) && nowMs - file.grewMs > keepRotatedMs;
        if (this.#wanted.has(file) || (!tooMany && !quiet)) continue;
        await this.#settle(file);
        await this.#drop(file, generations);
      }
      if (generations.length === 0) this.#generations.delete(path);
    }
  }

  async #drop(file: OpenFile, generations: OpenFile[]): Promise<void> {
    generations.splice(generations.indexOf(file), 1);
    this.#wanted.delete(file);
    this.#fileWatch.remove(file);
    await file.close();
  }

  #report(troubles: readonly string[]): void {
    const nothing = this.#files().length === 0 && isPattern(this.#settings.path);
    const all = nothing ? [`no file fits ${this.#settings.path} yet; one is read as soon as it appears`, ...troubles] : troubles;
    const shown = all.slice(0, 3).join('; ');
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#sink.up(shown === '', shown);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Tells a directory from a later one of the same name. */
async function identityOf(directory: string): Promise<string> {
  const status = await stat(directory, { bigint: true }).catch(() => undefined);
  return `${status?.dev}:${status?.ino}:${directory}`;
}
