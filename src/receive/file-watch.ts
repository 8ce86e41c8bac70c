import { type FSWatcher, watch } from 'node:fs';

/** inotify for the files and directories of one source; where it is not to be had, the owner's poll must do. */
export class FileWatch<Key> {
  readonly #watchers = new Map<Key, FSWatcher>();
  readonly #failed: (why: string) => void;
  #complained = false;

  /** @param failed told once: from then on something is not watched */
  constructor(failed: (why: string) => void) {
    this.#failed = failed;
  }

  /**
   * Idempotent for a key.
   *
   * @param changed `moved`: it was renamed or deleted, or, of a directory, something in it was
   * @returns whether it is watched from now on, and was not before
   */
  add(key: Key, path: string, changed: (moved: boolean) => void): boolean {
    if (this.#watchers.has(key)) return false;
    try {
      const watcher = watch(path, (event) => changed(event === 'rename'));
      watcher.on('error', () => this.remove(key));
      this.#watchers.set(key, watcher);
      return true;
    } catch (error) {
      // A directory that does not exist yet is no trouble of inotify's.
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EACCES'))
        return false;
      if (this.#complained) return false;
      this.#complained = true;
      this.#failed(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  remove(key: Key): void {
    this.#watchers.get(key)?.close();
    this.#watchers.delete(key);
  }

  /** Keeps those whose key is in the list. */
  retain(keys: readonly Key[]): void {
    const kept = new Set(keys);
    for (const key of this.#watchers.keys()) if (!kept.has(key)) this.remove(key);
  }

  close(): void {
    this.retain([]);
  }
}
