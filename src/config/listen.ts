import { isIP } from 'node:net';
import type { Listen } from './config.ts';
import type { Read } from './values.ts';

/** `127.0.0.1:9190`, `[::1]:9190`. An address, because names are never resolved. */
export function parseListen(text: string): Read<Listen> {
  const [, inBrackets, bare, digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = inBrackets ?? bare;
  if (host === undefined) {
    const hint = isIP(text) === 6 ? `; write "[${text}]:PORT"` : isIP(text) === 4 ? `; write "${text}:PORT"` : '';
    return { mistake: `found "${text}", wanted ADDRESS:PORT, such as 127.0.0.1:9190 or [::1]:9190${hint}` };
  }
  if (isIP(host) !== (inBrackets === undefined ? 4 : 6)) return { mistake: notAnAddress(host, digits) };
  const port = Number(digits);
  if (port > 65_535) return { mistake: `${port} is not a port; wanted a number from 0 to 65535` };
  return { value: { host, port } };
}

export interface SyslogListen extends Listen {
  readonly transport: 'udp' | 'tcp';
}

/** `udp://127.0.0.1:5514`, `tcp://[::]:6514`. */
export function parseSyslogListen(text: string): Read<SyslogListen> {
  const [, scheme, rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
  if (scheme === 'tls' || scheme === 'relp') return { mistake: `syslog over ${scheme} is not built yet; wanted udp:// or tcp://` };
  if (scheme !== 'udp' && scheme !== 'tcp') {
    return { mistake: `found "${text}", wanted udp://ADDRESS:PORT or tcp://ADDRESS:PORT, such as udp://127.0.0.1:5514` };
  }
  const listen = parseListen(rest);
  return 'mistake' in listen ? listen : { value: { transport: scheme, ...listen.value } };
}

/** One spelling for each listener: its name unless it has another, and how two of the same are found. */
export function formatSyslogListen({ transport, host, port }: SyslogListen): string {
  return `${transport}://${formatListen({ host, port })}`;
}

export function formatListen({ host, port }: Listen): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function notAnAddress(host: string, port: string): string {
  if (isIP(host) === 6) return `an IPv6 address needs brackets here: "[${host}]:${port}"`;
  if (host === '' || host === '*')
    return `write 0.0.0.0:${port} or [::]:${port} to listen on every address, 127.0.0.1:${port} for this host alone`;
  if (host === 'localhost') return `names are not resolved: write 127.0.0.1:${port} or [::1]:${port}`;
  return `found "${host}", wanted an IPv4 address, or an IPv6 address in brackets; names are not resolved`;
}
