import {
  type AllowReply,
  type BanReply,
  type BreakerReply,
  type ConfirmReply,
  type DisallowReply,
  maxTargets,
  type ReloadReply,
  type UnbanReply,
} from '../control/protocol.ts';
import { printable } from '../diagnostic.ts';
import { parseDuration } from '../duration.ts';
import type { Given } from './command.ts';
import { daemonOf, printJson } from './daemon.ts';
import { exit, UsageError } from './exit.ts';
import { type Paint, paintFor } from './paint.ts';
import { formatAllowed, formatBanned, formatDisallowed, formatUnbanned } from './show-results.ts';
import { readTargets } from './targets.ts';

/** The commands that change something. Each returns the exit code when store and kernel both have it. */

export async function ban(given: Given): Promise<number> {
  const jail = given.text('jail');
  const length = lengthOf(given);
  const targets = await readTargets(given.operands, process.stdin);
  const daemon = daemonOf(given);
  const results = await inParts(targets, async (part) => {
    const body = { targets: part, ...(jail === undefined ? {} : { jail }), ...(length === undefined ? {} : { forMs: length }) };
    return (await daemon.post<BanReply>('/v1/ban', body)).results;
  });
  report(given, results, formatBanned);
  return results.some(({ outcome }) => outcome === 'refused') ? exit.failed : exit.ok;
}

export async function unban(given: Given): Promise<number> {
  const all = given.on('all');
  if (all === given.operands.length > 0) {
    throw new UsageError(
      all ? '--all and addresses exclude each other' : 'which address? Name one or more, - to read them from stdin, or --all',
    );
  }
  if (given.on('offline')) {
    if (!all) throw new UsageError("--offline goes with --all: single bans are the daemon's to lift");
    const { unbanOffline } = await import('../offline/unban-offline.ts');
    return unbanOffline({ json: given.on('json'), config: given.text('config') });
  }
  if (given.text('config') !== undefined) throw new UsageError('--config goes with --offline: the daemon knows its own');
  const daemon = daemonOf(given);
  const ask = async (body: unknown) => (await daemon.post<UnbanReply>('/v1/unban', body)).results;
  const results = all
    ? await ask({ all: true })
    : await inParts(await readTargets(given.operands, process.stdin), (targets) => ask({ targets }));
  report(given, results, formatUnbanned);
  return results.some(({ count }) => count > 0) ? exit.ok : exit.nothing;
}

export async function allow(given: Given): Promise<number> {
  const length = lengthOf(given);
  if (given.on('remove') && length !== undefined) throw new UsageError('--remove and --for exclude each other');
  const targets = await readTargets(given.operands, process.stdin);
  const daemon = daemonOf(given);
  if (given.on('remove')) {
    const ask = async (part: readonly string[]) => (await daemon.post<DisallowReply>('/v1/disallow', { targets: part })).results;
    const taken = await inParts(targets, ask);
    report(given, taken, formatDisallowed);
    return taken.some(({ removed }) => removed) ? exit.ok : exit.nothing;
  }
  const results = await inParts(targets, async (part) => {
    return (await daemon.post<AllowReply>('/v1/allow', { targets: part, forMs: length ?? null })).results;
  });
  report(given, results, formatAllowed);
  return exit.ok;
}

export async function reload(given: Given): Promise<number> {
  const confirmMs = confirmTime(given);
  const reply = await daemonOf(given).post<ReloadReply>('/v1/reload', confirmMs === undefined ? undefined : { confirmMs });
  if (given.on('json')) printJson(reply);
  else if (reply.outcome === 'refused') {
    process.stderr.write(`${reply.mistakes.join('\n')}\nNothing was changed: the daemon goes on with what it had.\n`);
  } else {
    for (const warning of reply.warnings) process.stderr.write(`${warning}\n`);
    process.stdout.write(`reloaded\n${reply.changes.map((change) => `  ${printable(change)}\n`).join('') || '  nothing differs\n'}`);
    if (reply.goesBack !== undefined)
      process.stdout.write(`the configuration before comes back at ${reply.goesBack}, unless you type: sluice confirm\n`);
  }
  return reply.outcome === 'refused' ? exit.unusable : exit.ok;
}

export async function confirm(given: Given): Promise<number> {
  const reply = await daemonOf(given).post<ConfirmReply>('/v1/confirm', undefined);
  if (given.on('json')) printJson(reply);
  else if (reply.confirmed) process.stdout.write('confirmed: the configuration stays\n');
  else process.stderr.write('nothing waits to be confirmed\n');
  return reply.confirmed ? exit.ok : exit.nothing;
}

export async function resetBreaker(given: Given): Promise<number> {
  const reply = await daemonOf(given).post<BreakerReply>('/v1/reset-breaker', undefined);
  const { was } = reply;
  if (given.on('json')) printJson(reply);
  else if (was === null) process.stderr.write('bans had not stopped\n');
  else process.stdout.write(`bans are made again; they had stopped at ${was.since}: ${printable(was.detail)}\n`);
  return was === null ? exit.nothing : exit.ok;
}

/** @returns ms; undefined without --confirm */
function confirmTime(given: Given): number | undefined {
  const text = given.text('confirm');
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0 && ms <= longestConfirmMs) return ms;
  throw new UsageError(`--confirm: "${printable(text.slice(0, 64))}" is not a length of time up to a day, such as 90s, 5m, 1h`);
}

const longestConfirmMs = 86_400_000;

/** One request holds a thousand targets; the results come together again in the order asked. */
async function inParts<T>(targets: readonly string[], ask: (part: readonly string[]) => Promise<readonly T[]>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let begin = 0; begin < targets.length; begin += maxTargets) {
    for (const result of await ask(targets.slice(begin, begin + maxTargets))) results.push(result);
  }
  return results;
}

/** What was done goes to stdout, what was not to stderr. */
function report<T>(
  given: Given,
  results: readonly T[],
  format: (result: T, nowMs: number, paint: Paint) => { readonly done: boolean; readonly text: string },
): void {
  if (given.on('json')) {
    printJson({ results });
    return;
  }
  const nowMs = Date.now();
  for (const result of results) {
    const { done } = format(result, nowMs, paintFor(process.stdout));
    const stream = done ? process.stdout : process.stderr;
    stream.write(`${format(result, nowMs, paintFor(stream)).text}\n`);
  }
}

/** @returns ms as a request has it, null for `permanent`; undefined without --for */
function lengthOf(given: Given): number | null | undefined {
  const text = given.text('for');
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return Number.isFinite(ms) ? ms : null;
  const seconds = /^\d{1,9}$/.test(text) && Number(text) > 0 ? `; for seconds write ${text}s` : '';
  throw new UsageError(`--for: "${printable(text.slice(0, 64))}" is not a length of time such as 90s, 15m, 1h30m, 2d, permanent${seconds}`);
}
