import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { SyslogSettings } from '../../src/model/source.ts';
import { parsePrefix, type Prefix } from '../../src/model/address.ts';
import { type SyslogDeps, syslogLimits } from '../../src/receive/syslog-limits.ts';

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new TypeError(text);
  return parsed;
}

/** A listener on loopback, on any free port, for loopback senders. */
export function loopbackSettings(transport: 'udp' | 'tcp', changed: Partial<SyslogSettings> = {}): SyslogSettings {
  return {
    kind: 'syslog',
    name: `${transport}://127.0.0.1`,
    transport,
    host: '127.0.0.1',
    port: 0,
    peers: [prefix('127.0.0.0/8')],
    trustedUids: [],
    timezone: 'UTC',
    silenceMs: 0,
    ...changed,
  };
}

/** The time of all tests: a moment after the stamps in them. */
export const nowMs = Date.UTC(2026, 10, 22, 18);

export function testDeps(changed: Partial<SyslogDeps> = {}): SyslogDeps {
  return { ...syslogLimits, receiveBufferBytes: 1_048_576, nowMs: () => nowMs, ...changed };
}

/** A connection to the listener, open. */
export async function connectTo(port: number, options: { host?: string; localAddress?: string } = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, ...options });
  await once(socket, 'connect');
  socket.on('error', () => undefined); // a listener that closes on purpose may reset
  return socket;
}
