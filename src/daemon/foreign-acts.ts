import type { ActionBan } from '../act/action-ban.ts';
import { createActionRunner, type JailActions } from '../act/action-runner.ts';
import { printable } from '../diagnostic.ts';
import { type Prefix, splitPrefix } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import type { BanDecision } from '../pipeline.ts';
import type { ForeignDeps } from './foreign-deps.ts';

/** The commands that such jails run when bans begin and end. */
export interface ForeignActs {
  /** Other jails. Those that run the same as before go on; the others end what they began, and begin anew with the bans in force. */
  readonly use: (jails: readonly ForeignJail[]) => void;
  readonly carriedOut: (decision: BanDecision, detection: Detection | undefined) => void;
  readonly cameAgain: (jail: string, subject: Prefix) => void;
  readonly restored: (ban: Ban) => void;
  /** A ban in force goes on for longer than it was said to. */
  readonly prolonged: (ban: Ban) => void;
  /** Ends what the commands began: as fail2ban does when it stops. */
  readonly stop: () => Promise<void>;
}

/** Commands that wait, of all jails. */
const maxWaiting = 10_000;
/** How long stopping waits for commands, ms: systemd waits for 90 s. */
const stopMs = 20_000;
/** For a jail that is no more, nobody waits: a command of another one may take its 60 s first, and a thousand bans are ended one by one. */
const changeMs = 600_000;

/** A jail with its commands as they run. */
interface Acting {
  readonly jail: ForeignJail;
  /** Equal for what runs the same. */
  readonly text: string;
  readonly actions: JailActions;
}

export function createForeignActs({ decider, events, counts, nowMs, acts }: ForeignDeps): ForeignActs {
  const runner = createActionRunner({
    maxWaiting,
    onTrouble: (jail, action, command, why) => events.notice('warning', `[${jail}] ${action}: ${command}: ${printable(why)}`),
    onDropped: (jail, address, bound) =>
      events.notice(
        'warning',
        `[${jail}] ${address} did not reach the actions: too many bans ${bound === 'waiting' ? 'wait for them' : 'are held by them'}`,
      ),
    now: nowMs,
  });
  const byName = new Map<string, Acting>();
  /** Those that have not ended yet what they began. */
  const leaving = new Set<JailActions>();

  function infoOf({ jail: { name, bantime } }: ForeignJail) {
    return {
      bantimeMs: bantime.firstMs,
      counts: () => {
        const { bans: banned, tracked: found } = decider.counts(name);
        const { bans: bannedTotal, failures: foundTotal } = counts.of(name);
        return { banned, bannedTotal, found, foundTotal };
      },
      history: () => undefined,
    };
  }

  /** The lines that led to a ban of the jail, oldest first. */
  const linesOf = (ban: Ban, most: number): readonly string[] => {
    const address = ban.address ?? splitPrefix(ban.subject).address;
    const { evidence } = decider.explain(address, nowMs());
    return evidence.flatMap(({ line, jails }) => (jails.includes(ban.jail) ? [line] : [])).slice(-most);
  };

  const toActionBan = (
    ban: Ban,
    jail: ForeignJail,
    known: { readonly failures: number; readonly restored: boolean; readonly detection: Detection | undefined },
  ): ActionBan => ({
    address: ban.address ?? splitPrefix(ban.subject).address,
    subject: ban.subject,
    sinceMs: ban.sinceMs,
    untilMs: ban.untilMs,
    failures: known.failures,
    count: ban.count,
    matches: linesOf(ban, jail.maxmatches),
    fields: known.detection?.captures ?? new Map(),
    restored: known.restored,
  });

  const restored = (ban: Ban): void => {
    const known = byName.get(ban.jail);
    if (known !== undefined && !ban.observe)
      known.actions.ban(toActionBan(ban, known.jail, { failures: 0, restored: true, detection: undefined }));
  };

  return {
    use: (jails) => {
      const acting = new Map(jails.flatMap((jail) => (acts && jail.actions.length > 0 ? [[jail.jail.name, jail] as const] : [])));
      const begun = new Set<string>();
      for (const [name, { text, actions }] of byName) {
        const jail = acting.get(name);
        if (jail !== undefined && textOf(jail) === text) continue;
        byName.delete(name);
        // What the next ones of that name do comes behind this.
        leaving.add(actions);
        void actions.stop(changeMs).finally(() => leaving.delete(actions));
      }
      for (const [name, jail] of acting) {
        const before = byName.get(name);
        const actions = before?.actions ?? runner.jail(name, jail.actions, infoOf(jail));
        byName.set(name, { jail, text: textOf(jail), actions });
        if (before !== undefined) continue;
        begun.add(name);
        actions.start();
      }
      if (begun.size > 0) for (const ban of decider.bans()) if (begun.has(ban.jail)) restored(ban);
    },
    carriedOut: (decision, detection) => {
      const { ban } = decision;
      const known = byName.get(ban.jail);
      if (known === undefined || ban.observe) return;
      if (decision.kind === 'ban')
        known.actions.ban(toActionBan(ban, known.jail, { failures: decision.failures, restored: false, detection }));
      else known.actions.unban(ban.subject);
    },
    cameAgain: (jail, subject) => byName.get(jail)?.actions.again(subject),
    restored,
    prolonged: (ban) => {
      const known = byName.get(ban.jail);
      if (known !== undefined && !ban.observe)
        known.actions.prolong(toActionBan(ban, known.jail, { failures: 0, restored: false, detection: undefined }));
    },
    stop: async () => {
      await Promise.all([...leaving, ...[...byName.values()].map(({ actions }) => actions)].map(async (each) => each.stop(stopMs)));
      await runner.stop(0);
    },
  };
}

function textOf({ actions, jail: { bantime } }: ForeignJail): string {
  const plain = actions.map(({ commands, parameters, ...rest }) => ({ ...rest, commands: [...commands], parameters: [...parameters] }));
  return JSON.stringify([plain, bantime.firstMs]);
}
