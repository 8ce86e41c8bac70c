import type { Config } from '../config/config.ts';
import type { HostFacts } from '../host/host.ts';
import type { Prefix } from '../model/address.ts';
import type { Protection } from '../model/protection.ts';

/**
 * The never-banned list: what the host says of itself, who may send syslog, and the configuration's allowlist. Loopback and what people
 * allow by hand are added by `decide`.
 */
export function protectionsOf(config: Pick<Config, 'allowlist' | 'sources'>, host: HostFacts): readonly Protection[] {
  const listed = config.allowlist.map(
    ({ prefix, place: { file, line } }): Protection => ({ prefix, reason: 'allowlist', detail: `${file}:${line}` }),
  );
  const peers = config.sources.syslog.flatMap(({ name, peers: prefixes }) =>
    prefixes.map((prefix): Protection => ({ prefix, reason: 'syslog peer', detail: name })),
  );
  return [...listed, ...peers, ...host.protections];
}

/** The kernel's allow sets get the same list, each prefix once. */
export function prefixesOf(protections: Iterable<Protection>): readonly Prefix[] {
  return [...new Set([...protections].map(({ prefix }) => prefix))];
}
