import { type ForeignCommand, compileForeignCommand, replaceParameters } from '../model/foreign-command.ts';
import type { ForeignAction } from '../model/foreign-jail.ts';
import { type ActionBan, familyTag } from './action-ban.ts';

/** Runs one command; what went wrong has been told when it answers. @param family of the addresses that it is about */
export type Execute = (name: string, command: ForeignCommand, ban: ActionBan | undefined, family: string) => Promise<boolean>;

/** One action of one jail: what it has started, and how its commands follow each other. Every step rejects with ActionFailed if it could not be done. */
export interface ActionState {
  readonly action: ForeignAction;
  /** Beginning of everything. Nothing, if it is started with the first ban. */
  readonly start: () => Promise<void>;
  readonly ban: (ban: ActionBan) => Promise<void>;
  /** After a repair: what was there before is gone. */
  readonly reban: (ban: ActionBan) => Promise<void>;
  readonly prolongs: boolean;
  readonly prolong: (ban: ActionBan) => Promise<void>;
  readonly unban: (ban: ActionBan) => Promise<void>;
  readonly flushes: boolean;
  /** Ends all bans at once. */
  readonly flush: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Looks whether everything is still in place, and mends it. */
  readonly check: (mayRepair?: () => boolean) => Promise<void>;
  /** Grows with every repair; bans from before have to be made again. */
  readonly epoch: () => number;
}

export class ActionFailed extends Error {
  override name = 'ActionFailed';
}

/** `started`, and `has bans`, of a family. */
const started = 1;
const holds = 2;

/**
 * The order of commands is that of fail2ban 1.0.2: a command is tried; only if it fails is everything checked, mended, and the command tried once more.
 *
 * @param properties what tags stand for: parameters, and the commands themselves
 * @param nextEpoch of the whole jail
 * @see fail2ban/server/action.py
 */
export function createActionState(
  action: ForeignAction,
  {
    properties,
    execute,
    nextEpoch,
  }: { readonly properties: ReadonlyMap<string, string>; readonly execute: Execute; readonly nextEpoch: () => number },
): ActionState {
  const conditional = [...properties.keys()].some((key) => /^\w+\?family=/.test(key));
  const families = conditional ? ['inet4', 'inet6'] : [''];
  /** What has been done, by family. */
  const state = new Map<string, number>();
  /** Commands that were run for one family and need not be run again for another where they are the same. */
  const done = new Map<string, Map<string, string>>();
  const compiled = new Map<string, ForeignCommand>();
  let epoch = 0;

  const has = (name: string): boolean => (action.commands.get(name) ?? '').trim() !== '';

  /** The command for a family, its parameters replaced. */
  const textOf = (name: string, family: string): string => {
    const text = replaceParameters(action.commands.get(name) ?? '', properties, family);
    return family === '' ? text : text.replaceAll('<family>', family);
  };

  const compile = (text: string): ForeignCommand => {
    const known = compiled.get(text) ?? compileForeignCommand(text);
    compiled.set(text, known);
    return known;
  };

  const run = async (name: string, text: string, ban: ActionBan | undefined, family: string): Promise<boolean> =>
    text.trim() === '' || (await execute(name, compile(text), ban, family));

  const forget = (name: string, family: string): void => {
    const byFamily = done.get(name);
    const text = byFamily?.get(family);
    if (byFamily === undefined || text === undefined) return;
    for (const [other, same] of byFamily) if (same === text) byFamily.delete(other);
  };

  const remember = (name: string, family: string, text: string): void => {
    done.set(name, (done.get(name) ?? new Map<string, string>()).set(family, text));
  };

  /** A command that is about no ban, once for each family where they differ. */
  const operate = async (name: string, of: readonly string[], after: (family: string, succeeded: boolean) => void): Promise<void> => {
    let all = true;
    for (const family of of) {
      const text = textOf(name, family);
      let succeeded = true;
      const isDone = [...(done.get(name) ?? [])].some(([other, same]) => other !== family && same === text);
      if (text.trim() !== '' && !isDone) {
        succeeded = await run(name, text, undefined, family);
        all &&= succeeded;
      }
      after(family, succeeded);
      if (succeeded && text !== '') remember(name, family, text);
      else forget(name, family);
    }
    if (!all) throw new ActionFailed(`${name} failed`);
  };

  const start = async (family: string | undefined, force: boolean): Promise<void> => {
    if (!force && (action.startOnDemand || (family !== undefined && (state.get(family) ?? 0) !== 0))) return;
    await operate('actionstart', family === undefined ? families : [family], (each, succeeded) => {
      if (!succeeded) return;
      forget('actionstop', each);
      state.set(each, started);
    });
  };

  const stop = async (family: string | undefined): Promise<void> => {
    let of: readonly string[];
    if (family === undefined) {
      of = [...state].filter(([, bits]) => bits !== 0).map(([each]) => each);
      state.clear();
    } else {
      of = state.has(family) ? [family] : [];
      if (state.has(family)) state.set(family, 0);
    }
    await operate('actionstop', of, (each, succeeded) => {
      if (succeeded) forget('actionstart', each);
    });
  };

  /** @returns `sane`: as it was, or mended; `left`: broken, and not to be mended now; `broken`: it could not be mended */
  const examine = async (family: string, mayRepair: () => boolean, force: boolean): Promise<'sane' | 'left' | 'broken'> => {
    if (!force && !state.has(family)) return 'sane';
    const check = textOf('actioncheck', family);
    if (await run('actioncheck', check, undefined, family)) return 'sane';
    if (!mayRepair()) return 'left';
    epoch = nextEpoch();
    const repair = textOf('actionrepair', family);
    if (repair.trim() !== '') {
      if (!(await run('actionrepair', repair, undefined, family))) {
        state.set(family, 0);
        return 'broken';
      }
      state.set(family, started);
    } else {
      await stop(family).catch(expectFailure);
      await start(family, force || !action.startOnDemand);
    }
    return (state.get(family) ?? 0) === 0 || (await run('actioncheck', check, undefined, family)) ? 'sane' : 'broken';
  };

  const process = async (name: string, ban: ActionBan): Promise<void> => {
    const family = familyTag(ban.address);
    if (!has(name)) return;
    const isUnban = name === 'actionunban';
    // Not textOf: here <family> belongs to the ban, as the other tags do.
    const text = replaceParameters(action.commands.get(name) ?? '', properties, family);
    if (await run(name, text, ban, family)) return;
    const sanity = has('actioncheck') ? await examine(family, () => !isUnban || action.repairOnUnban, !isUnban) : 'sane';
    if (sanity !== 'sane' || !(await run(name, text, ban, family))) throw new ActionFailed(`${name} of ${ban.address} failed`);
  };

  const banWith = async (name: string, ban: ActionBan): Promise<void> => {
    const family = familyTag(ban.address);
    if (action.startOnDemand && (state.get(family) ?? 0) === 0) await start(family, true);
    await process(name, ban);
    state.set(family, (state.get(family) ?? 0) | started | holds);
  };

  return {
    action,
    start: async () => start(undefined, false),
    ban: async (ban) => banWith('actionban', ban),
    reban: async (ban) => banWith(has('actionreban') ? 'actionreban' : 'actionban', ban),
    prolongs: has('actionprolong'),
    prolong: async (ban) => process('actionprolong', ban),
    unban: async (ban) => {
      if (((state.get(familyTag(ban.address)) ?? 0) & holds) !== 0) await process('actionunban', ban);
    },
    flushes: has('actionflush'),
    flush: async () => {
      const of = [...state].filter(([, bits]) => bits === (started | holds)).map(([family]) => family);
      await operate('actionflush', of, (family, succeeded) => {
        if (succeeded) state.set(family, (state.get(family) ?? 0) & ~holds);
      });
    },
    stop: async () => stop(undefined),
    check: async (mayRepair = () => true) => {
      if (!has('actioncheck')) return;
      for (const [family, bits] of state) {
        if (bits === 0 || (await examine(family, mayRepair, true)) !== 'broken') continue;
        state.set(family, 0);
        forget('actionstart', family);
      }
    },
    epoch: () => epoch,
  };
}

/** For a step whose failure has been told, and does not matter. */
export function expectFailure(error: unknown): void {
  if (!(error instanceof ActionFailed)) throw error;
}
