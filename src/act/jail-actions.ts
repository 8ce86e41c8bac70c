import type { Address, Prefix } from '../model/address.ts';
import { type ForeignCommand, fillIn } from '../model/foreign-command.ts';
import type { ForeignAction } from '../model/foreign-jail.ts';
import { type ActionBan, type JailInfo, tagValue } from './action-ban.ts';
import { type ActionState, createActionState, type Execute, expectFailure } from './action-state.ts';
import type { HostNames } from './own-names.ts';
import { type RunShell, whyFailed } from './shell-run.ts';
import type { TurnQueue } from './turn-queue.ts';

/** The actions of one jail. Everything but `stop` answers at once and is done later, in this order. */
export interface JailActions {
  readonly start: () => void;
  readonly ban: (ban: ActionBan) => void;
  /**
   * A failure of somebody whose ban is in force for some seconds: perhaps the ban does not hold. What holds it is checked, every 3 s at most; was it
   * mended, the ban is made again.
   */
  readonly again: (subject: Prefix) => void;
  /** The ban goes on for longer than it was said to. */
  readonly prolong: (ban: ActionBan) => void;
  readonly unban: (subject: Prefix) => void;
  /**
   * Ends every ban (at once, where the action can), then the actions, the last one first. Bans that still wait are not made.
   *
   * @param withinMs then a command that runs is killed, and what is left is left undone and told. Asked again, the earlier end holds
   */
  readonly stop: (withinMs: number) => Promise<void>;
}

export interface CommandContext {
  readonly queue: TurnQueue<string>;
  readonly maxWaiting: number;
  readonly maxHeld: number;
  /** Of all jails. `heldText`: characters of log text that are kept for the ends of bans. */
  readonly bans: { waiting: number; held: number; heldText: number };
  readonly onTrouble: (jail: string, action: string, command: string, why: string) => void;
  readonly onDropped: (jail: string, address: Address, bound: 'waiting' | 'held') => void;
  readonly run: RunShell;
  readonly names: HostNames;
  readonly now: () => number;
}

interface Held {
  readonly ban: ActionBan;
  epoch: number;
  readonly text: number;
}

/** Characters of log text kept for commands that come after the ban; beyond, they get none. */
const maxHeldText = 8 << 20;
/** Between two checks because of somebody who comes again. */
const checkEveryMs = 3_000;
/** Of the time to stop, what single ends of bans may take; the rest is for actionstop. */
const unbanShare = 2 / 3;
/** And what the command that is under way may take. */
const underWayShare = 1 / 4;
/** Tags that hold log text, in a command that is not the ban's own. */
const textTag = /<(?:matches|ipmatches|ipjailmatches|F-[A-Z0-9_-]+)>/;

export function createJailActions(jail: string, actions: readonly ForeignAction[], info: JailInfo, context: CommandContext): JailActions {
  const { queue, bans, run, names, now, onTrouble, onDropped } = context;
  const held = new Map<Prefix, Held>();
  const waiting = new Set<ActionBan>();
  let epoch = 0;
  let checkedMs = -Infinity;
  let stopping: Promise<void> | undefined;
  /** Aborted when the time to stop is over. */
  const ending = new AbortController();
  let endsAtMs = Infinity;
  let unbansUntilMs = Infinity;
  /** Aborted when what was being done at the stop has had its time: other jails wait for it with what ends their bans. */
  const under = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let underWay: NodeJS.Timeout | undefined;
  /** What the stop asks for is being done. */
  let ends = false;
  let end = (): void => {};

  const executeFor =
    (action: ForeignAction): Execute =>
    async (name, command, ban, family) => {
      const why = await attempt(command, { ban, family, timeoutMs: action.timeoutMs });
      if (why !== undefined) onTrouble(jail, action.name, name, why);
      return why === undefined;
    };

  /** @returns why it failed */
  const attempt = async (
    command: ForeignCommand,
    { ban, family, timeoutMs }: { readonly ban: ActionBan | undefined; readonly family: string; readonly timeoutMs: number },
  ): Promise<string | undefined> => {
    const [refused] = command.refused;
    if (refused !== undefined) return `not run: <${refused.tag}>: ${refused.why}`;
    const { signal } = ends ? ending : under;
    if (signal.aborted) return 'not run: there is no time left';
    const asks = command.parts.some((part) => typeof part !== 'string' && part.tag === 'ip-host');
    const host = asks && ban !== undefined ? await names.nameOf(ban.address) : undefined;
    const limitMs = Math.max(0, Math.min(timeoutMs, endsAtMs - now()));
    const filled = fillIn(command, (tag) => tagValue(tag, { ban, family, nowMs: now(), jail: info, host }));
    return whyFailed(await run({ ...filled, timeoutMs: limitMs, signal }), limitMs);
  };

  const states: ActionState[] = [];
  /** Which of them need the log's text later than for the ban. */
  const textLater = actions.some(({ commands }) =>
    [...commands].some(([name, text]) => textTag.test(text) && (name !== 'actionban' || (commands.get('actioncheck') ?? '') !== '')),
  );

  /** Before whatever comes first. */
  const prepare = async (): Promise<void> => {
    if (states.length > 0) return;
    const full = await names.full();
    for (const action of actions) {
      const properties = new Map([
        ['br', '\n'],
        ['sp', ' '],
        ['fq-hostname', full],
        ['sh-hostname', names.short],
        ...action.parameters,
        ['timeout', String(action.timeoutMs / 1_000)],
        ...action.commands,
      ]);
      properties.delete('bantime');
      states.push(createActionState(action, { properties, execute: executeFor(action), nextEpoch: () => ++epoch }));
    }
  };

  /** One action after the other; what fails has been told, and does not keep the next one from its turn. */
  const each = async (of: readonly ActionState[], what: string, step: (state: ActionState) => Promise<void>): Promise<void> => {
    for (const state of of) {
      try {
        await step(state).catch(expectFailure);
      } catch (error) {
        // Whatever it is: one action does not end the daemon.
        onTrouble(jail, state.action.name, what, error instanceof Error ? error.message : String(error));
      }
    }
  };

  const later = (step: () => Promise<void>): void => {
    if (stopping !== undefined) return;
    queue.add(jail, async () => {
      await prepare();
      await step();
      return true;
    });
  };

  const release = (subject: Prefix): Held | undefined => {
    const found = held.get(subject);
    if (found === undefined) return undefined;
    held.delete(subject);
    bans.held--;
    bans.heldText -= found.text;
    return found;
  };

  const hold = (ban: ActionBan): void => {
    const before = release(ban.subject);
    const length =
      ban.matches.reduce((sum, line) => sum + line.length, 0) + ban.fields.values().reduce((sum, value) => sum + value.length, 0);
    const text = textLater && bans.heldText + length <= maxHeldText ? length : 0;
    const kept = text > 0 || length === 0 ? ban : { ...ban, matches: [], fields: new Map<string, string>() };
    held.set(ban.subject, { ban: kept, epoch: before?.epoch ?? epoch, text });
    bans.held++;
    bans.heldText += text;
  };

  const drop = (ban: ActionBan, bound: 'waiting' | 'held'): void => onDropped(jail, ban.address, bound);

  const settle = (ban: ActionBan): void => {
    if (waiting.delete(ban)) bans.waiting--;
  };

  const doBan = async (ban: ActionBan): Promise<void> => {
    settle(ban);
    if (!held.has(ban.subject) && bans.held >= context.maxHeld) {
      drop(ban, 'held');
      return;
    }
    // Before the commands: whatever they have come to, they are to be undone.
    hold(ban);
    await each(
      states.filter(({ action }) => !(ban.restored && action.notRestored)),
      'actionban',
      async (state) => state.ban(ban),
    );
    const mine = held.get(ban.subject);
    if (mine !== undefined) mine.epoch = epoch;
  };

  const doAgain = async (subject: Prefix): Promise<void> => {
    const mine = held.get(subject);
    if (mine === undefined) return;
    if (mine.epoch === epoch && now() >= checkedMs + checkEveryMs) {
      checkedMs = now();
      await each(states, 'actioncheck', async (state) => state.check());
    }
    if (mine.epoch >= epoch) return;
    await each(
      states.filter((state) => state.epoch() > mine.epoch),
      'actionreban',
      async (state) => state.reban(mine.ban),
    );
    mine.epoch = epoch;
  };

  /** In steps, so that other jails have their turns. */
  const stopSteps = (): (() => Promise<boolean>) => {
    let single: ActionState[] | undefined;
    return async () => {
      ends = true;
      if (single === undefined) {
        single = [];
        for (const state of states) {
          if (!state.flushes) single.push(state);
          else await each([state], 'actionflush', async () => flush(state));
        }
        return false;
      }
      const [next] = held.keys();
      if (single.length > 0 && next !== undefined && now() < unbansUntilMs && !ending.signal.aborted) {
        const mine = release(next);
        if (mine !== undefined) await each(single, 'actionunban', async (state) => state.unban(mine.ban));
        return false;
      }
      if (single.length > 0 && held.size > 0) {
        for (const { action } of single)
          onTrouble(jail, action.name, 'actionunban', `not run for ${held.size} bans: there was no time left`);
      }
      for (const subject of held.keys()) release(subject);
      await each(states.toReversed(), 'actionstop', async (state) => state.stop());
      return true;
    };
  };

  const flush = async (state: ActionState): Promise<void> => {
    try {
      await state.flush();
    } catch (error) {
      expectFailure(error);
      await state.check(() => state.action.repairOnUnban);
    }
  };

  return {
    start: () => {
      later(async () => {
        await each(states, 'actionstart', async (state) => state.start());
      });
    },
    ban: (ban) => {
      if (stopping !== undefined) return;
      if (bans.waiting >= context.maxWaiting) {
        drop(ban, 'waiting');
        return;
      }
      bans.waiting++;
      waiting.add(ban);
      later(async () => doBan(ban));
    },
    again: (subject) => {
      const mine = held.get(subject);
      if (mine === undefined || (mine.epoch === epoch && now() < checkedMs + checkEveryMs)) return;
      later(async () => doAgain(subject));
    },
    prolong: (ban) => {
      later(async () => {
        if (!held.has(ban.subject)) return;
        hold(ban);
        await each(
          states.filter(({ action, prolongs }) => prolongs && !(ban.restored && action.notRestored)),
          'actionprolong',
          async (state) => state.prolong(ban),
        );
      });
    },
    unban: (subject) => {
      later(async () => {
        const mine = release(subject);
        if (mine !== undefined) await each(states, 'actionunban', async (state) => state.unban(mine.ban));
      });
    },
    stop: async (withinMs) => {
      if (now() + withinMs < endsAtMs) {
        endsAtMs = now() + withinMs;
        unbansUntilMs = now() + withinMs * unbanShare;
        clearTimeout(timer);
        timer = setTimeout(() => end(), withinMs);
        clearTimeout(underWay);
        underWay = setTimeout(() => under.abort(), withinMs * underWayShare);
      }
      stopping ??= new Promise((resolve) => {
        for (const ban of waiting) settle(ban);
        const step = stopSteps();
        const over = (): void => {
          clearTimeout(timer);
          clearTimeout(underWay);
          resolve();
        };
        end = () => {
          under.abort();
          ending.abort();
          if (!ends)
            for (const { name } of actions)
              onTrouble(jail, name, 'actionstop', `not run, nor anything for ${held.size} bans: other commands took all the time`);
          over();
        };
        queue.replace(jail, async () => {
          const isOver = await step();
          if (isOver) over();
          return isOver;
        });
      });
      return stopping;
    },
  };
}
