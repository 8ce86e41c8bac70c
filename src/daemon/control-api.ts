import { banEntries, brokenSummary, explanationOf, jailStatusOf, sourceStatusOf, summaryOf } from './answers.ts';
import type { JailCounts } from './jail-counts.ts';
import type { Checkpointer } from './checkpointer.ts';
import { configInForce } from '../config/in-force.ts';
import { toBanEntry } from '../control/ban-entry.ts';
import type { EventFeed } from '../control/event-feed.ts';
import { at, atOrNever } from '../control/instant.ts';
import { type BanResult, type DaemonApi, RefusalError, type Status } from '../control/protocol.ts';
import { exactPrefix, formatTarget, type Target } from '../control/target.ts';
import type { Decider } from '../decide/decider.ts';
import type { Events } from './events.ts';
import type { KernelLink } from './kernel-link.ts';
import type { Loaded } from '../loaded.ts';
import type { Metrics } from '../metrics/registry.ts';
import { formatSubject, type Prefix } from '../model/address.ts';
import type { Ban, Decision, Jail } from '../model/decision.ts';
import { formatProtection } from '../model/protection.ts';
import type { Pipeline } from '../pipeline.ts';
import { prefixesOf } from './protection.ts';
import type { Sources } from './sources.ts';

/** The parts of a running daemon that answer. */
export interface ControlDeps {
  readonly decider: Decider;
  readonly pipeline: Pipeline;
  readonly kernel: KernelLink;
  readonly checkpointer: Checkpointer;
  readonly sources: Sources;
  readonly events: Events;
  readonly counts: JailCounts;
  readonly metrics: Metrics;
  readonly feed: EventFeed;
  readonly nowMs: () => number;
  readonly version: string;
  readonly startedMs: number;
  readonly mode: Status['mode'];
  /** What is in force now, and since when. */
  readonly inForce: () => { readonly loaded: Loaded; readonly sinceMs: number };
  readonly ready: () => boolean;
  /** Jails that were stopped, and why. */
  readonly disabled: () => ReadonlyMap<string, string>;
  readonly problems: () => readonly string[];
  /** Somebody was banned by hand: for what jails of fail2ban run. `already`: the ban was in force. */
  readonly byHand: (ban: Ban, already: boolean) => void;
  readonly reload: DaemonApi['reload'];
  readonly confirm: DaemonApi['confirm'];
}

/** What the control socket asks of the daemon: see DaemonApi. */
export function createControlApi(deps: ControlDeps): DaemonApi {
  const { decider, pipeline, kernel, checkpointer, sources, events, counts, metrics, feed, nowMs, inForce } = deps;
  const pong = () => ({ version: deps.version, pid: process.pid, started: at(deps.startedMs) });

  const settle = async (): Promise<void> => {
    const [kept, written] = await Promise.all([checkpointer.stored(), kernel.settled()]);
    if (written.kind === 'not_yet') throw new RefusalError('failed', `decided, and not in the kernel yet: ${written.why}`);
    if (kept !== undefined) throw new RefusalError('failed', `in force, and not stored: ${kept}`);
  };

  /** @returns the bans that ended */
  const act = (decisions: readonly Decision[]): Lifted => {
    pipeline.announce(decisions);
    return decisions.flatMap(({ kind, jail, subject }) => (kind === 'unban' ? [{ jail, subject }] : []));
  };

  const banOne = (target: Target, jail: string | undefined, forMs: number | undefined): BanResult => {
    const now = nowMs();
    const outcome = decider.ban({ target, nowMs: now, ...(jail === undefined ? {} : { jail }), ...(forMs === undefined ? {} : { forMs }) });
    const name = formatTarget(target);
    switch (outcome.kind) {
      case 'unknown_jail': {
        const known = decider.jails.map((each) => each.name).join(', ');
        throw new RefusalError('unknown_jail', `there is no jail ${jail}; there are ${known}`);
      }
      case 'refused':
        return { target: name, outcome: 'refused', because: formatProtection(outcome.because) };
      case 'banned': {
        const { ban, already, also } = outcome;
        if (!already) {
          events.banned(ban, target.kind === 'address' ? target.address : undefined, undefined);
          counts.of(ban.jail).bans++;
        } else if (!ban.observe) events.notice('notice', `[${ban.jail}] ${formatSubject(ban.subject)} already banned`);
        deps.byHand(ban, already);
        act(also);
        // Not by `announce` alone: a ban that is only prolonged is no decision, and the kernel must know of it.
        pipeline.changed();
        return { target: name, outcome: already ? 'already' : 'banned', ban: toBanEntry(ban) };
      }
    }
  };

  return {
    ping: pong,
    status: () => {
      const { loaded, sinceMs } = inForce();
      return {
        ...pong(),
        mode: deps.mode,
        ready: deps.ready(),
        problems: deps.problems(),
        config: { file: loaded.path ?? null, loaded: at(sinceMs) },
        sources: sources.states().map(sourceStatusOf),
        jails: [
          ...decider.jails.map((jail) => summaryOf(jail, decider, counts, deps.disabled())),
          ...loaded.disabled.map(({ jail, why }) => brokenSummary(jail, why)),
        ],
      };
    },
    jail: (name) => {
      const jail = decider.jails.find((each: Jail) => each.name === name);
      if (jail === undefined) return undefined;
      const { loaded } = inForce();
      const foreign = loaded.foreign.find((each) => each.jail.name === name);
      const place = foreign ?? loaded.written(['jails', name]);
      const from = place === undefined ? null : `${place.file}:${place.line}`;
      const inputs = sources.states().map(({ input }) => input);
      return jailStatusOf(jail, { decider, counts, filters: loaded.filters, inputs, from, disabled: deps.disabled(), foreign });
    },
    jailNames: () => decider.jails.map(({ name }) => name),
    bans: (jail) => banEntries(decider.bans(jail)),
    explain: async (address) => explanationOf(address, decider.explain(address, nowMs()), await kernel.lookUp(address)),
    events: feed,
    metrics: async () => (await metrics.text()).body,
    config: () => {
      const { loaded } = inForce();
      return { file: loaded.path ?? null, values: configInForce(loaded.config, loaded.written) };
    },
    ban: async ({ targets, jail, forMs }) => {
      const results = targets.map((target) => banOne(target, jail, forMs));
      await settle();
      return { results };
    },
    unban: async (request) => {
      const now = nowMs();
      const results =
        'all' in request
          ? [lifted('all', act(decider.unbanAll(now)))]
          : request.targets.map((target) => lifted(formatTarget(target), act(decider.unban(exactPrefix(target), now))));
      await settle();
      return { results };
    },
    allow: async ({ prefixes, forMs }) => {
      const now = nowMs();
      const untilMs = now + forMs;
      const results = prefixes.map((prefix) => {
        const ended = act(decider.allow({ prefix, untilMs }, now));
        events.allowed(prefix, untilMs);
        return { ...lifted(formatSubject(prefix), ended), prefix, until: atOrNever(untilMs) };
      });
      kernel.setAllow(prefixesOf(decider.neverBanned.entries));
      await settle();
      return { results };
    },
    disallow: async ({ prefixes }) => {
      const results = prefixes.map((prefix) => ({ target: formatSubject(prefix), prefix, removed: decider.disallow(prefix) }));
      kernel.setAllow(prefixesOf(decider.neverBanned.entries));
      await settle();
      return { results };
    },
    reload: deps.reload,
    confirm: deps.confirm,
    resetBreaker: () => {
      const was = decider.breaker?.reset();
      if (was === undefined) return { was: null };
      events.notice('notice', `bans are made again; they had stopped because ${was.detail}`);
      return { was: { since: at(was.sinceMs), detail: was.detail } };
    },
  };
}

type Lifted = readonly { readonly jail: string; readonly subject: Prefix }[];

/** Names at most 100, says how many there were. */
function lifted(target: string, bans: Lifted) {
  return { target, count: bans.length, lifted: bans.slice(0, 100) };
}
