import type { FileSettings, Sink, Source } from '../model/source.ts';
import type { FileDeps } from './file-deps.ts';
import { FileFollower } from './file-follower.ts';

/**
 * Follows the files of a path or pattern, by inode: through renaming, copytruncate, deletion and creation.
 *
 * - A line is handed over once its LF is there; half a line only when its file was rotated away and the next one is written already.
 * - After a rename the old file is read to its end before the new one is begun, and as long as anybody writes to it.
 * - A file that shrinks, or begins with other bytes than before, is read from its beginning. What was cut off in between is lost:
 *   that is the nature of copytruncate.
 * - A file that is missing or forbidden is no error of this call: the sink hears `up(false, ...)` with what mends it.
 */
export async function openFiles(settings: FileSettings, sink: Sink, deps: FileDeps): Promise<Source> {
  const follower = new FileFollower(settings, sink, deps);
  await follower.begin();
  return {
    name: settings.name,
    kind: 'file',
    pause: () => follower.pause(),
    resume: () => follower.resume(),
    stop: () => follower.stop(),
  };
}
