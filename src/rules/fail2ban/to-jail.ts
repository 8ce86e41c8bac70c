import type { Jail } from '../../model/decision.ts';
import type { Ports } from '../../model/filter.ts';
import { kernelPorts } from './actions.ts';
import { banTimes } from './ban-lengths.ts';
import type { F2bJail } from './jail-file.ts';

/** A jail of fail2ban as the decisions take it. */
export interface ConvertedJail {
  readonly jail: Jail;
  /** Our sets close its ports; if not, all that it does is in other actions, and `jail.ports` says only what the jail is about. */
  readonly closes: boolean;
  /** What is otherwise than in fail2ban, in words for a person. */
  readonly differences: readonly string[];
}

/**
 * The policy of a jail: single addresses, as fail2ban bans them.
 *
 * @param filters what the jail's filter is called among ours
 * @param purgeageMs how long fail2ban remembers bans, `dbpurgeage`
 * @param random for ban times with a random part
 */
export function toJail(
  jail: F2bJail,
  { filters, purgeageMs, random }: { readonly filters: readonly string[]; readonly purgeageMs: number; readonly random: () => number },
): ConvertedJail {
  const { name, maxretry, findtimeMs, bantime } = jail;
  const closed = kernelPorts(jail.actions);
  const ports = joinPorts(closed);
  const differences = jail.actions.flatMap((action) => (action.kind === 'commands' ? (action.kernel?.differences ?? []) : []));
  if (closed.length > 1 && new Set(closed.map((each) => (each.kind === 'all' ? 'all' : each.protocol))).size > 1) {
    differences.push('actions for different protocols become one list of ports for all of them');
  }
  return {
    jail: {
      name,
      filters,
      maxretry,
      findtimeMs,
      bantime: banTimes(bantime, purgeageMs, random),
      prefix: { ipv4: 32, ipv6: 128 },
      ports,
      observe: false,
    },
    closes: closed.length > 0,
    differences: [...new Set(differences)],
  };
}

function joinPorts(lists: readonly Ports[]): Ports {
  const [first, ...rest] = lists;
  if (first === undefined) return { kind: 'all' };
  return rest.reduce((joined, next) => {
    if (joined.kind === 'all' || next.kind === 'all') return { kind: 'all' };
    const ports = [...new Set([...joined.ports, ...next.ports])].toSorted((a, b) => a - b);
    return { kind: 'list', protocol: joined.protocol === next.protocol ? joined.protocol : 'both', ports };
  }, first);
}
