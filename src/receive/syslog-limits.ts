import type { FindCandidate } from '../model/sieve.ts';

/** What a syslog listener may cost. */
export interface SyslogLimits {
  /** Longest message, in octets: what goes beyond is cut and counted (`oversize`). */
  readonly maxFrameBytes: number;
  /** TCP connections in all, and from one address: further ones are closed at once and counted (`connection_limit`). */
  readonly maxConnections: number;
  readonly maxConnectionsPerPeer: number;
  /** SO_RCVBUF of a UDP socket, in bytes. The kernel gives no more than net.core.rmem_max. Also what a paused UDP source holds itself. */
  readonly receiveBufferBytes: number;
}

export const syslogLimits: SyslogLimits = {
  maxFrameBytes: 65_536,
  maxConnections: 1_024,
  maxConnectionsPerPeer: 64,
  receiveBufferBytes: 8_388_608,
};

/** What a syslog listener is given: `{ ...syslogLimits, nowMs: Date.now }`. */
export interface SyslogDeps extends SyslogLimits {
  /** ms since the epoch. */
  readonly nowMs: () => number;
  /** Leaves out what no enabled pattern can match; it is counted as read all the same. */
  readonly find?: FindCandidate | undefined;
}
