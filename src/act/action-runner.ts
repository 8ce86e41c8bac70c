import type { Address } from '../model/address.ts';
import type { ForeignAction } from '../model/foreign-jail.ts';
import type { ActionBan, JailInfo } from './action-ban.ts';
import { type CommandContext, createJailActions, type JailActions } from './jail-actions.ts';
import { createHostNames, type HostNames } from './own-names.ts';
import { createShellRunner } from './shell-launcher.ts';
import { environmentForActions, type RunShell } from './shell-run.ts';
import { createTurnQueue } from './turn-queue.ts';

/** Runs what jails of fail2ban run beside our sets: one command at a time, as fail2ban does, jail by jail in turn. */
export interface ActionRunner {
  /** @param name of the jail; a jail of that name must have been stopped before */
  readonly jail: (name: string, actions: readonly ForeignAction[], info: JailInfo) => JailActions;
  /** Bans, ends of bans and so on that wait for their turn. */
  readonly pending: () => number;
  /** Resolves when none waits. */
  readonly idle: () => Promise<void>;
  /** Stops all jails. @param withinMs all that is left at that time is left undone, and told */
  readonly stop: (withinMs: number) => Promise<void>;
}

export interface ActionRunnerSettings {
  /** Bans that may wait, in all jails together. One that finds so many before it does not reach the actions. */
  readonly maxWaiting: number;
  /** Bans that are remembered, to be ended later, in all jails together. The next one does not reach the actions. */
  readonly maxHeld?: number;
  /** A command that failed, or was not run. `command`: `actionban`; `why`: for a person, with what the command said. */
  readonly onTrouble: (jail: string, action: string, command: string, why: string) => void;
  /** A ban that did not reach the actions because of one of the bounds. */
  readonly onDropped: (jail: string, address: Address, bound: 'waiting' | 'held') => void;
  readonly run?: RunShell;
  readonly names?: HostNames;
  readonly now?: () => number;
}

const defaultMaxHeld = 100_000;

export function createActionRunner({
  maxWaiting,
  maxHeld = defaultMaxHeld,
  onTrouble,
  onDropped,
  run = createShellRunner(environmentForActions(process.env)),
  names = createHostNames(),
  now = Date.now,
}: ActionRunnerSettings): ActionRunner {
  const queue = createTurnQueue<string>();
  const jails = new Map<string, JailActions>();
  const context: CommandContext = {
    queue,
    maxWaiting,
    maxHeld,
    bans: { waiting: 0, held: 0, heldText: 0 },
    onTrouble,
    onDropped,
    run,
    names,
    now,
  };
  return {
    jail: (name, actions, info) => {
      const jail = createJailActions(name, actions, info, context);
      jails.set(name, jail);
      return { ...jail, stop: async (withinMs) => jail.stop(withinMs).finally(() => jails.get(name) === jail && jails.delete(name)) };
    },
    pending: () => queue.size(),
    idle: queue.idle,
    stop: async (withinMs) => {
      await Promise.all([...jails.values()].map(async (jail) => jail.stop(withinMs)));
      jails.clear();
    },
  };
}

export type { ActionBan, JailActions, JailInfo };
