import { once } from 'node:events';
import type { DaemonEvent } from '../control/event.ts';
import type { BanList, ConfigInForce, Explanation, JailStatus, Pong, Status } from '../control/protocol.ts';
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

/** The commands that only look. Each returns the exit code. */

export async function status(given: Given): Promise<number> {
  const daemon = daemonOf(given);
  const [name] = given.operands;
  if (name === undefined) {
    show(given, await daemon.get<Status>('/v1/status'), (found) => formatStatus(found, Date.now(), paintFor(process.stdout)));
    return exit.ok;
  }
  const jail = await daemon.get<JailStatus>(`/v1/jails/${encodeURIComponent(name)}`);
  const { bans } = await daemon.get<BanList>(`/v1/bans?jail=${encodeURIComponent(name)}`);
  show(given, { ...jail, bans }, (found) => formatJail(found, found.bans, Date.now(), paintFor(process.stdout)));
  return exit.ok;
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
