import { isNativeError } from 'node:util/types';
import { isTimezone } from '../parse/zone.ts';

/** What a socket is for, as in the configuration: `udp://127.0.0.1:5514`. */
export interface ListenPlace {
  readonly transport: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
}

export function formatListen({ transport, host, port }: ListenPlace): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Why a socket cannot listen, and what to do. The error of the system is its cause. */
export function listenError(place: ListenPlace, cause: unknown): Error {
  const code = isNativeError(cause) && 'code' in cause ? cause.code : undefined;
  return new Error(
    `Cannot listen on ${formatListen(place)}: ${advice(place, code) ?? (isNativeError(cause) ? cause.message : String(cause))}`,
    {
      cause,
    },
  );
}

/** @throws {Error} here, and not at the first line that has no zone of its own */
export function assertTimezone(timezone: string): void {
  if (!isTimezone(timezone)) throw new Error(`There is no time zone "${timezone}": write an IANA name such as Europe/Berlin, or "local"`);
}

function advice({ transport, host, port }: ListenPlace, code: unknown): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `another program has this port. "ss -H${transport === 'tcp' ? 'lt' : 'lu'}np sport = :${port}" shows which (EADDRINUSE): stop it, or give another port under "sources: syslog: listen:"`;
    case 'EACCES':
      return `ports below 1024 need the right to bind them (EACCES): use a port such as 5514, or add CAP_NET_BIND_SERVICE to AmbientCapabilities= of the unit`;
    case 'EADDRNOTAVAIL':
      return `no interface of this host has the address ${host} (EADDRNOTAVAIL): "ip address" shows those it has`;
    case 'ENOTFOUND':
    case 'EINVAL':
      return `${host} is no address of this host: write an address, not a name`;
    default:
      return undefined;
  }
}
