import { at } from '../control/instant.ts';
import type { ConfirmReply, ReloadReply } from '../control/protocol.ts';
import { formatDuration } from '../duration.ts';
import type { Loaded } from '../loaded.ts';

/** Reads the configuration again and puts it in force, one reload at a time; goes back to the one before if that was asked and nobody confirms. */
export interface Reloading {
  /** @param confirmMs goes back after so long; undefined: stays */
  readonly reload: (confirmMs: number | undefined) => Promise<ReloadReply>;
  readonly confirm: () => ConfirmReply;
  /** That a configuration waits to be confirmed. */
  readonly waiting: () => string | undefined;
  /** Lets the reload that is under way come to its end, and begins no other. */
  readonly stop: () => Promise<void>;
}

export interface ReloadingDeps {
  readonly read: () => Promise<{ readonly loaded: Loaded; readonly warnings: readonly string[] } | { readonly mistakes: string }>;
  readonly inForce: () => Loaded;
  /** Puts a configuration in force. @returns what changed, and what did not quite */
  readonly use: (loaded: Loaded) => Promise<{ readonly changes: readonly string[]; readonly warnings: readonly string[] }>;
  readonly refused: () => void;
  readonly notice: (level: 'notice' | 'warning' | 'error', message: string) => void;
  readonly nowMs: () => number;
}

/** A configuration that nobody has confirmed yet. */
interface Unconfirmed {
  readonly before: Loaded;
  readonly untilMs: number;
  readonly timer: NodeJS.Timeout;
}

export function createReloading({ read, inForce, use, refused, notice, nowMs }: ReloadingDeps): Reloading {
  let running: Promise<unknown> = Promise.resolve();
  let unconfirmed: Unconfirmed | undefined;
  /** A plain reload that waits for its turn: it will read what whoever asks meanwhile wants read. */
  let waiting: Promise<ReloadReply> | undefined;
  let stopped = false;

  /** A storm of SIGHUPs must not load the rules twice at once. */
  const oneAtATime = <T>(task: () => Promise<T>): Promise<T> => {
    const next = running.then(task, task);
    running = next.catch(() => undefined);
    return next;
  };

  const goBack = async (mine: Unconfirmed): Promise<void> => {
    if (stopped || unconfirmed !== mine) return; // confirmed, or prolonged, while this waited for its turn
    unconfirmed = undefined;
    const { changes } = await use(mine.before);
    const what = changes.length === 0 ? 'no jail differs' : changes.join('; ');
    notice('error', `nobody confirmed the configuration: the one before is in force again (${what}); the files still hold the new one`);
  };

  const wait = (before: Loaded, confirmMs: number): Unconfirmed => {
    const timer = setTimeout(() => {
      oneAtATime(() => goBack(mine)).catch((error: unknown) =>
        notice('error', `cannot go back to the configuration before: ${String(error)}`),
      );
    }, confirmMs);
    const mine: Unconfirmed = { before, untilMs: nowMs() + confirmMs, timer };
    return mine;
  };

  const reload = (confirmMs: number | undefined): Promise<ReloadReply> =>
    oneAtATime(async () => {
      if (confirmMs === undefined) waiting = undefined;
      if (stopped) return { outcome: 'refused', mistakes: ['sluice is stopping'] };
      const next = await read();
      if ('mistakes' in next) {
        refused();
        notice('error', 'the configuration was not loaded again: it has mistakes; the old one stays in force');
        return { outcome: 'refused', mistakes: [next.mistakes] };
      }
      // What was in force before the first of several that nobody confirmed is what is known to be good.
      const before = unconfirmed?.before ?? inForce();
      const { changes, warnings } = await use(next.loaded);
      if (confirmMs !== undefined) {
        clearTimeout(unconfirmed?.timer);
        unconfirmed = wait(before, confirmMs);
      }
      const end = unconfirmed === undefined ? '' : `; it goes back at ${at(unconfirmed.untilMs)} unless "sluice confirm" comes`;
      notice('notice', `configuration loaded again: ${changes.length === 0 ? 'no jail differs' : changes.join('; ')}${end}`);
      return {
        outcome: 'reloaded',
        changes,
        warnings: [...next.warnings, ...warnings],
        ...(unconfirmed === undefined ? {} : { goesBack: at(unconfirmed.untilMs) }),
      };
    });

  return {
    reload: (confirmMs) => (confirmMs === undefined ? (waiting ??= reload(undefined)) : reload(confirmMs)),
    confirm: () => {
      const confirmed = unconfirmed !== undefined;
      clearTimeout(unconfirmed?.timer);
      unconfirmed = undefined;
      if (confirmed) notice('notice', 'the configuration is confirmed');
      return { confirmed };
    },
    waiting: () => {
      if (unconfirmed === undefined) return undefined;
      const leftMs = Math.max(0, unconfirmed.untilMs - nowMs());
      return `the configuration goes back to the one before in ${formatDuration(Math.ceil(leftMs / 1_000) * 1_000)}: "sluice confirm" keeps it`;
    },
    stop: async () => {
      stopped = true;
      clearTimeout(unconfirmed?.timer);
      await running;
    },
  };
}
