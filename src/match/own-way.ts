import { type Address, parseAddress } from '../model/address.ts';
import type { LogRecord } from '../model/record.ts';

/** What tells this host's own lines from those of others. */
export interface OwnHost {
  /** By which way the host's own lines come; the others are read only for what this one does not have. */
  readonly own: 'journal' | 'files' | 'syslog';
  /** This host's name; its first label decides, in any case: daemons cut names at the first dot (postlogd(8)). */
  readonly hostname: string;
  readonly isOwnAddress: (address: Address) => boolean;
  /** Files whose lines have no syslog header (`program` is set): such a program writes nowhere else. */
  readonly headerless: ReadonlySet<string>;
}

/**
 * Whether a record is one of this host's own that comes the other way as well, so that matching it here would count it twice.
 *
 * Syslog from another machine is never ours, whatever host it claims. From our own addresses it is ours unless it names another host: a
 * relay on this machine hands on the lines of others.
 */
export function comesOtherwise(record: Pick<LogRecord, 'origin' | 'hostname' | 'source'>, host: OwnHost): boolean {
  const { origin } = record;
  switch (origin.kind) {
    case 'journal':
      return host.own !== 'journal' && isOwnName(record.hostname, host);
    case 'file':
      return (
        host.own !== 'files' && !host.headerless.has(record.source) && record.hostname !== undefined && isOwnName(record.hostname, host)
      );
    case 'syslog':
      return host.own !== 'syslog' && host.isOwnAddress(origin.peer) && isOwnName(record.hostname, host);
  }
}

/** No name: whoever wrote it is on this machine. An address: what rsyslog puts where a sender's name is not known. */
function isOwnName(claimed: string | undefined, { hostname, isOwnAddress }: OwnHost): boolean {
  if (claimed === undefined || firstLabel(claimed) === firstLabel(hostname) || claimed === 'localhost') return true;
  const address = parseAddress(claimed);
  return address !== undefined && isOwnAddress(address);
}

function firstLabel(name: string): string {
  const dot = name.indexOf('.');
  return (dot === -1 ? name : name.slice(0, dot)).toLowerCase();
}
