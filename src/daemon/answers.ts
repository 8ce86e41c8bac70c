import type { BanEntry } from '../control/ban-entry.ts';
import { toBanEntry } from '../control/ban-entry.ts';
import { at, spanOrForever } from '../control/instant.ts';
import type { Explanation, JailStatus, JailSummary, SourceStatus } from '../control/protocol.ts';
import type { Decider } from '../decide/decider.ts';
import type { AddressExplanation } from '../decide/explanation.ts';
import type { Address } from '../model/address.ts';
import type { Ban, Jail } from '../model/decision.ts';
import type { Filter, Ports } from '../model/filter.ts';
import { type ForeignJail, foreignFilterName, foreignPatternName } from '../model/foreign-jail.ts';
import { formatProtection } from '../model/protection.ts';
import type { JailCounts } from './jail-counts.ts';
import type { Input, SourceState } from './sources.ts';

/** What the control socket tells, made from what the parts know. */

/** @param disabled jails that were stopped, and why */
export function summaryOf(jail: Jail, decider: Decider, counts: JailCounts, disabled: ReadonlyMap<string, string>): JailSummary {
  const { matches, failures, bans: bansTotal, restored } = counts.of(jail.name);
  const { tracked, bans: bansNow } = decider.counts(jail.name);
  const why = disabled.get(jail.name) ?? null;
  return { name: jail.name, observe: jail.observe, disabled: why, matches, failures, tracked, bansNow, bansTotal, restored };
}

/** A jail that could not be used when the configuration was read. */
export function brokenSummary(name: string, why: string): JailSummary {
  return { name, observe: false, disabled: why, matches: 0, failures: 0, tracked: 0, bansNow: 0, bansTotal: 0, restored: 0 };
}

export function jailStatusOf(
  jail: Jail,
  parts: {
    readonly decider: Decider;
    readonly counts: JailCounts;
    readonly filters: readonly Filter[];
    readonly inputs: readonly Input[];
    /** `file:line` of the jail; null: built-in. */
    readonly from: string | null;
    readonly disabled: ReadonlyMap<string, string>;
    /** The same jail in fail2ban's dialect, if it is one. */
    readonly foreign: ForeignJail | undefined;
  },
): JailStatus {
  const { decider, counts, filters, inputs, from, disabled, foreign } = parts;
  const used = filters.filter(({ name }) => jail.filters.some((each) => each === name || each.startsWith(`${name}/`)));
  const { firstMs, factor, maxMs, forgetMs } = jail.bantime;
  return {
    ...summaryOf(jail, decider, counts, disabled),
    from,
    filters: jail.filters,
    maxretry: jail.maxretry,
    findtimeMs: jail.findtimeMs,
    bantime: { firstMs: spanOrForever(firstMs), factor, maxMs: spanOrForever(maxMs), forgetMs: spanOrForever(forgetMs) },
    prefix: jail.prefix,
    ports: jail.closes === false ? 'none: its own commands carry out its bans' : formatPorts(jail.ports),
    patterns: [
      ...used.flatMap(({ name: filter, patterns }) =>
        patterns
          .filter(({ name }) => jail.filters.includes(filter) || jail.filters.includes(`${filter}/${name}`))
          .map(({ name: pattern }) => ({ filter, pattern, matches: counts.ofPattern(filter, pattern) })),
      ),
      ...(foreign?.texts.failregex ?? []).map((_, index) => {
        const filter = foreignFilterName(jail.name);
        const pattern = foreignPatternName(index);
        return { filter, pattern, matches: counts.ofPattern(filter, pattern) };
      }),
    ],
    ignored: counts.of(jail.name).ignored,
    ...readOf(foreign, used, inputs),
  };
}

/** Where a jail's lines come from. */
function readOf(
  foreign: ForeignJail | undefined,
  used: readonly Filter[],
  inputs: readonly Input[],
): Pick<JailStatus, 'journal' | 'files'> {
  if (foreign?.reading.kind === 'files') return { journal: [], files: foreign.reading.paths.map(({ pattern }) => pattern) };
  if (foreign?.reading.kind === 'journal') {
    // As journalctl takes them, with + between alternatives.
    return { journal: foreign.reading.matches.flatMap((group, index) => (index === 0 ? group : ['+', ...group])), files: [] };
  }
  return {
    journal: inputs.some(({ kind }) => kind === 'journal') ? [...new Set(used.flatMap(({ journal }) => journal))] : [],
    files: inputs.flatMap((input) => (input.kind === 'file' && !input.name.startsWith('fail2ban:') ? [input.path] : [])),
  };
}

/** `all`, or `tcp 25, 465, 587`. */
export function formatPorts(ports: Ports): string {
  return ports.kind === 'all' ? 'all' : `${ports.protocol === 'both' ? 'tcp and udp' : ports.protocol} ${ports.ports.join(', ')}`;
}

export function sourceStatusOf(state: SourceState): SourceStatus {
  const { input, up, detail, records, lastRecordMs, lagMs, errors, lost, connections } = state;
  return {
    name: input.name,
    kind: input.kind,
    up,
    detail,
    records,
    lastRecord: lastRecordMs === undefined ? null : at(lastRecordMs),
    lagMs: lagMs === undefined ? null : Math.round(lagMs),
    errors,
    lost,
    connections: connections ?? null,
  };
}

/** @param kernel what nft says of the address, and why it was not asked */
export function explanationOf(
  address: Address,
  known: AddressExplanation,
  kernel: Pick<Explanation, 'kernel' | 'kernelDetail'>,
): Explanation {
  return {
    address,
    protected: known.protectedBy.length === 0 ? null : known.protectedBy.map(formatProtection).join('; '),
    bans: known.bans.map(({ ban, failures, jail }) => ({
      ...toBanEntry(ban),
      failures: failures ?? null,
      maxretry: ban.origin === 'jail' ? jail.maxretry : null,
      findtimeMs: ban.origin === 'jail' ? jail.findtimeMs : null,
    })),
    windows: known.windows.flatMap(({ jail, subject, trust, failuresMs, counting }) => {
      const counted = failuresMs.slice(-counting);
      const [first] = counted;
      const last = counted.at(-1);
      if (counting === 0 || first === undefined || last === undefined) return [];
      const { name, maxretry, findtimeMs, observe } = jail;
      return [
        {
          jail: name,
          subject,
          failures: counting,
          maxretry,
          findtimeMs,
          first: at(first),
          last: at(last),
          observe: observe || trust === 'low',
        },
      ];
    }),
    history: known.history.map(({ jail, subject, count, endedMs }) => ({ jail, subject, count, ended: at(endedMs) })),
    evidence: known.evidence.map(({ atMs, source, filter, pattern, line, jails }) => ({
      time: at(atMs),
      source,
      filter,
      pattern,
      line,
      jails,
    })),
    ...kernel,
  };
}

export function* banEntries(bans: Iterable<Ban>): Generator<BanEntry, void, void> {
  for (const ban of bans) yield toBanEntry(ban);
}
