import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Address } from '../model/address.ts';

/** One end of a connection, or where a socket is bound. */
export interface Endpoint {
  readonly address: Address;
  readonly port: number;
}

/** The kernel's lists of one protocol's sockets in this network namespace, as it prints them (proc_pid_net(5)). */
export interface SocketTables {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What the kernel says of one socket. */
export interface SocketRow {
  readonly uid: number;
  /** 0: no process has it open any more (TIME_WAIT, orphaned FIN_WAIT). Its uid then reads 0, too, whoever it belonged to: it must not pass for root's. */
  readonly inode: number;
  /** The last column: datagrams that found its buffer full. Only of udp. */
  readonly drops: number;
}

export function readSocketTablesSync(protocol: 'tcp' | 'udp'): SocketTables {
  return { ipv4: readFileSync(`/proc/net/${protocol}`, 'latin1'), ipv6: readIpv6Sync(protocol) };
}

export async function readSocketTables(protocol: 'tcp' | 'udp'): Promise<SocketTables> {
  const [ipv4, ipv6] = await Promise.all([
    readFile(`/proc/net/${protocol}`, 'latin1'),
    readFile(`/proc/net/${protocol}6`, 'latin1').catch(() => ''),
  ]);
  return { ipv4, ipv6 };
}

/** The TCP socket that has these two ends, seen from itself; undefined: there is none in this network namespace. */
export type FindConnected = (local: Endpoint, remote: Endpoint) => SocketRow | undefined;

/** Goes over the lists once, however many are looked for then: hundreds of connections that begin together share a reading. */
export function connectedSockets(tables: SocketTables): FindConnected {
  const places = new Map<string, number>();
  for (const table of [tables.ipv4, tables.ipv6]) {
    for (let colon = table.indexOf(': '); colon !== -1; colon = table.indexOf(': ', nextLine(table, colon))) {
      const remote = table.indexOf(' ', colon + 2);
      const ends = table.slice(colon + 2, table.indexOf(' ', remote + 1));
      if (!places.has(ends)) places.set(ends, colon);
    }
  }
  return (local, remote) => {
    for (const { table, spell } of spellings(tables, local.address)) {
      const found = places.get(`${spell(local)} ${spell(remote)}`);
      const row = found === undefined ? undefined : readRow(table, found);
      if (row !== undefined) return row;
    }
    return undefined;
  };
}

function nextLine(table: string, at: number): number {
  const lineEnd = table.indexOf('\n', at);
  return lineEnd === -1 ? table.length : lineEnd;
}

/** All UDP sockets that can send from this address and port: bound to just that, or to the port on every address. */
export function boundSockets(tables: SocketTables, { address, port }: Endpoint): readonly SocketRow[] {
  const rows: SocketRow[] = [];
  for (const { table, spell, any } of spellings(tables, address)) {
    for (const key of new Set([spell({ address, port }), `${any}:${hex(port, 4)}`])) {
      for (let found = table.indexOf(`: ${key} `); found !== -1; found = table.indexOf(`: ${key} `, found + 1)) {
        const row = readRow(table, found);
        if (row !== undefined) rows.push(row);
      }
    }
  }
  return rows;
}

interface Spelling {
  readonly table: string;
  readonly spell: (endpoint: Endpoint) => string;
  readonly any: string;
}

/** An IPv4 address also stands in the IPv6 table, if the program opened an IPv6 socket and spoke IPv4 with it. */
function spellings({ ipv4, ipv6 }: SocketTables, address: Address): readonly Spelling[] {
  const long: Spelling = { table: ipv6, spell: (endpoint) => spellEndpoint(endpoint, true), any: '0'.repeat(32) };
  if (address.includes(':')) return [long];
  return [{ table: ipv4, spell: (endpoint) => spellEndpoint(endpoint, false), any: '0'.repeat(8) }, long];
}

/** `127.0.0.1`, 5514 -> `0100007F:158A`: words of 32 bits in the machine's byte order. */
function spellEndpoint({ address, port }: Endpoint, long: boolean): string {
  const parsed = ipaddr.parse(address);
  const bytes = (long && parsed.kind() === 'ipv4' ? ipaddr.parse(`::ffff:${address}`) : parsed).toByteArray();
  let out = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    out += (littleEndian ? word.toReversed() : word).map((byte) => hex(byte, 2)).join('');
  }
  return `${out}:${hex(port, 4)}`;
}

const littleEndian = endianness() === 'LE';

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}

/** `sl: local remote st tx:rx tr:when retrnsmt uid timeout inode ... drops`, from the colon behind `sl` on. */
function readRow(table: string, colon: number): SocketRow | undefined {
  const lineEnd = table.indexOf('\n', colon);
  const columns = table
    .slice(colon + 1, lineEnd === -1 ? table.length : lineEnd)
    .trim()
    .split(/ +/);
  const uid = Number(columns[6]);
  const inode = Number(columns[8]);
  return Number.isInteger(uid) && Number.isInteger(inode) ? { uid, inode, drops: Number(columns.at(-1)) } : undefined;
}

function readIpv6Sync(protocol: 'tcp' | 'udp'): string {
  try {
    return readFileSync(`/proc/net/${protocol}6`, 'latin1');
  } catch {
    return ''; // a kernel without IPv6
  }
}
