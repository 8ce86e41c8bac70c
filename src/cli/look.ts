import { once } from 'node:events';
import type { DaemonEvent } from '../control/event.ts';
import type { BanEntry } from '../control/ban-entry.ts';
import type { ControlClient } from '../control/client.ts';
import {
  type BanList,
  type ConfigInForce,
  type Explanation,
  type JailStatus,
  type Pong,
  RefusalError,
  type Status,
} from '../control/protocol.ts';
import { printable } from '../diagnostic.ts';
import { parseAddress } from '../model/address.ts';
import type { Given } from './command.ts';
import { daemonOf, printJson } from './daemon.ts';
import { exit, UsageError } from './exit.ts';
import { parseExposition } from './exposition.ts';
import { formatSpan } from './moment.ts';
import { paintFor } from './paint.ts';
import { formatBans } from './show-bans.ts';
import { formatConfig } from './show-config.ts';
import { formatEvent } from './show-events.ts';
import { formatExplanation } from './show-explanation.ts';
import { formatJail, formatStatus } from './show-status.ts';
import { BannedList, jailTree } from './show-tree.ts';

/** The commands that only look. Each returns the exit code. */

export async function status(given: Given): Promise<number> {
  const daemon = daemonOf(given);
  const [name] = given.operands;
  if (name === undefined) {
    show(given, await daemon.get<Status>('/v1/status'), (found) => formatStatus(found, Date.now(), paintFor(process.stdout)));
    return exit.ok;
  }
  const jail = await daemon.get<JailStatus>(`/v1/jails/${encodeURIComponent(name)}`);
  const path = `/v1/bans?jail=${encodeURIComponent(name)}`;
  if (given.on('json')) {
    const { bans } = await daemon.get<BanList>(path);
    printJson({ ...jail, bans });
    return exit.ok;
  }
  const banned = await readBanned(daemon, path);
  // Waiting here, a slow reader makes us hold no second copy of a long list.
  for (const piece of jailTree(jail, banned)) if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
  // Scripts take the last line for the list of addresses, and any line with an address for one that is banned.
  if (process.stdout.isTTY || given.on('verbose'))
    process.stdout.write(`\n${formatJail(jail, banned.latest(), banned.total, Date.now(), paintFor(process.stdout))}`);
  return exit.ok;
}

/** How many bans people see whole. */
const latestBans = 20;

/** Reads a BanList ban by ban: parsed at once, 100,000 bans would take ten times their text. */
async function readBanned(daemon: ControlClient, path: string): Promise<BannedList> {
  const banned = new BannedList(latestBans);
  let last = '';
  for await (const line of daemon.lines(path)) {
    last = line;
    if (line.startsWith('{"jail":')) banned.add(JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line) as BanEntry);
  }
  if (last !== ']}') throw new RefusalError('failed', `The daemon's answer to ${path} broke off.`);
  return banned;
}

export async function list(given: Given): Promise<number> {
  const jail = given.text('jail');
  const found = await daemonOf(given).get<BanList>(`/v1/bans${jail === undefined ? '' : `?jail=${encodeURIComponent(jail)}`}`);
  if (!given.on('json') && found.bans.length === 0) process.stderr.write('Nobody is banned.\n');
  else show(given, found, ({ bans }) => formatBans(bans, Date.now(), paintFor(process.stdout)));
  return exit.ok;
}

export async function explain(given: Given): Promise<number> {
  const [text = ''] = given.operands;
  const address = parseAddress(text);
  if (address === undefined) {
    const network = text.includes('/') ? '; give one address, without a length' : '';
    throw new UsageError(`"${printable(text.slice(0, 64))}" is not an address${network}`);
  }
  const found = await daemonOf(given).get<Explanation>(`/v1/explain?address=${encodeURIComponent(address)}`);
  show(given, found, (explanation) => formatExplanation(explanation, Date.now(), paintFor(process.stdout)));
  return exit.ok;
}

export async function events(given: Given): Promise<number> {
  const follow = given.on('follow');
  const last = given.text('last') ?? (follow ? '10' : '100');
  if (!/^\d{1,6}$/.test(last)) throw new UsageError(`--last: "${printable(last.slice(0, 64))}" is not a number of events`);
  const paint = paintFor(process.stdout);
  for await (const line of daemonOf(given).lines(`/v1/events?last=${last}${follow ? '&follow=1' : ''}`)) {
    const text = given.on('json') ? `${line}\n` : formatEvent(JSON.parse(line) as DaemonEvent, paint);
    // Waiting here lets the daemon feel that we are slow; it then counts what it leaves out.
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }
  if (!follow) return exit.ok;
  process.stderr.write('The daemon has stopped.\n');
  return exit.unreachable;
}

export async function metrics(given: Given): Promise<number> {
  const text = await daemonOf(given).text('/v1/metrics');
  if (given.on('json')) printJson([...parseExposition(text)]);
  else process.stdout.write(text);
  return exit.ok;
}

export async function config(given: Given): Promise<number> {
  const found = await daemonOf(given).get<ConfigInForce>('/v1/config');
  show(given, found, (inForce) => formatConfig(inForce, paintFor(process.stdout)));
  return exit.ok;
}

export async function ping(given: Given): Promise<number> {
  const pong = await daemonOf(given).get<Pong>('/v1/ping');
  show(given, pong, ({ version, pid, started }) => {
    const up = formatSpan(Math.max(0, Date.now() - Date.parse(started)));
    return `pong: sluice ${printable(version)}, pid ${pid}, up ${up}\n`;
  });
  return exit.ok;
}

function show<T>(given: Given, document: T, format: (document: T) => string): void {
  if (given.on('json')) printJson(document);
  else process.stdout.write(format(document));
}
