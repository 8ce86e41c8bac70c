import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { printable } from '../diagnostic.ts';
import { parseAddress, splitPrefix } from '../model/address.ts';
import { didYouMean } from '../model/spelling.ts';
import { createEventStream } from './event-stream.ts';
import { type DaemonApi, RefusalError } from './protocol.ts';
import { allowBody, banBody, disallowBody, parseTargets, readBody, reloadBody, unbanBody } from './request-body.ts';
import { exactPrefix } from './target.ts';

const limits = {
  /** Bans written between two turns of the event loop: about a millisecond's work. */
  bansPerTurn: 500,
  followers: 16,
  /** Events that wait for one slow follower. */
  eventsWaiting: 1_000,
  recentEvents: 10_000,
} as const;
const defaultRecentEvents = 100;

/** One request taken apart. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What stands behind a path that ends in a name; '' for others. */
  readonly rest: string;
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly handle: (exchange: Exchange) => void | Promise<void>;
}

/**
 * Answers the requests of protocol.ts.
 *
 * @param closing ends those who follow events
 * @returns answers one request, or throws RefusalError (or whatever the daemon threw) before anything was sent
 */
export function createAnswerer(
  daemon: DaemonApi,
  closing: AbortSignal,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let followers = 0;

  const routes: readonly Route[] = [
    { method: 'GET', path: '/v1/ping', handle: ({ response }) => sendJson(response, daemon.ping()) },
    { method: 'GET', path: '/v1/status', handle: ({ response }) => sendJson(response, daemon.status()) },
    {
      method: 'GET',
      path: '/v1/jails/',
      handle: ({ response, rest }) => {
        const jail = daemon.jail(rest);
        if (jail === undefined) throw unknownJail(daemon, rest);
        sendJson(response, jail);
      },
    },
    {
      method: 'GET',
      path: '/v1/bans',
      handle: ({ response, query }) => sendBans(response, daemon.bans(knownJail(daemon, query.get('jail') ?? undefined))),
    },
    {
      method: 'GET',
      path: '/v1/explain',
      handle: async ({ response, query }) => {
        const text = query.get('address') ?? '';
        const address = parseAddress(text);
        if (address === undefined) throw new RefusalError('usage', `not an address: "${printable(text.slice(0, 64))}"`);
        sendJson(response, await daemon.explain(address));
      },
    },
    {
      method: 'GET',
      path: '/v1/events',
      handle: ({ response, query }) => {
        const last = eventCount(query.get('last'));
        const follow = query.get('follow') === '1';
        if (follow && followers >= limits.followers) {
          throw new RefusalError('busy', `${limits.followers} others follow the events already; end one of them`);
        }
        response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
        response.write(
          daemon.events
            .recent(last)
            .map((event) => `${JSON.stringify(event)}\n`)
            .join(''),
        );
        if (!follow || closing.aborted) {
          response.end();
          return;
        }
        response.flushHeaders();
        followers++;
        const writer = {
          write: (text: string) => response.write(text),
          whenDrained: (callback: () => void) => void response.once('drain', callback),
        };
        const unsubscribe = daemon.events.subscribe(createEventStream(writer, limits.eventsWaiting, Date.now));
        const end = () => void response.end();
        closing.addEventListener('abort', end);
        response.once('close', () => {
          followers--;
          unsubscribe();
          closing.removeEventListener('abort', end);
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/metrics',
      handle: async ({ response }) => {
        const text = await daemon.metrics();
        response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
      },
    },
    { method: 'GET', path: '/v1/config', handle: ({ response }) => sendJson(response, daemon.config()) },
    {
      method: 'POST',
      path: '/v1/ban',
      handle: async ({ request, response }) => {
        const body = await readBody(request, banBody);
        const jail = knownJail(daemon, body.jail);
        sendJson(
          response,
          await daemon.ban({ targets: parseTargets(body.targets), jail, forMs: body.forMs === null ? Infinity : body.forMs }),
        );
      },
    },
    {
      method: 'POST',
      path: '/v1/unban',
      handle: async ({ request, response }) => {
        const body = await readBody(request, unbanBody);
        sendJson(response, await daemon.unban('all' in body ? { all: true } : { targets: parseTargets(body.targets) }));
      },
    },
    {
      method: 'POST',
      path: '/v1/allow',
      handle: async ({ request, response }) => {
        const body = await readBody(request, allowBody);
        const prefixes = parseTargets(body.targets).map(exactPrefix);
        const all = prefixes.find((prefix) => splitPrefix(prefix).length === 0);
        // The configuration refuses it as well.
        if (all !== undefined)
          throw new RefusalError('usage', `${all} is every address: nobody would ever be banned. To lift all bans: sluice unban --all`);
        sendJson(response, await daemon.allow({ prefixes, forMs: body.forMs ?? Infinity }));
      },
    },
    {
      method: 'POST',
      path: '/v1/disallow',
      handle: async ({ request, response }) => {
        const body = await readBody(request, disallowBody);
        sendJson(response, await daemon.disallow({ prefixes: parseTargets(body.targets).map(exactPrefix) }));
      },
    },
    {
      method: 'POST',
      path: '/v1/reload',
      handle: async ({ request, response }) => {
        const { confirmMs } = await readBody(request, reloadBody);
        sendJson(response, await daemon.reload(confirmMs === undefined ? {} : { confirmMs }));
      },
    },
    { method: 'POST', path: '/v1/confirm', handle: ({ response }) => sendJson(response, daemon.confirm()) },
    { method: 'POST', path: '/v1/reset-breaker', handle: ({ response }) => sendJson(response, daemon.resetBreaker()) },
  ];

  return async (request, response) => {
    const url = URL.parse(request.url ?? '', 'http://sluice');
    if (url === null) throw new RefusalError('usage', 'the path of the request cannot be read');
    const { pathname, searchParams: query } = url;
    const route = routes.find(({ path }) => path === pathname || (path.endsWith('/') && pathname.startsWith(path)));
    if (route === undefined) throw new RefusalError('unknown_path', `nothing answers at ${printable(pathname.slice(0, 100))}`);
    if (route.method !== request.method) throw new RefusalError('method', `${route.path} wants ${route.method}`);
    await route.handle({ request, response, query, rest: decode(pathname.slice(route.path.length)) });
  };
}

function sendJson(response: ServerResponse, document: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(document)}\n`);
}

/** A BanList, in pieces: 100,000 bans are 15 MB, and one JSON.stringify of them would stop the pipeline for a tenth of a second. */
async function sendBans(response: ServerResponse, bans: Iterable<unknown>): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  let piece: string[] = [];
  let separator = '{"bans":[\n';
  const writePiece = async () => {
    const more = response.write(separator + piece.join(',\n'));
    separator = ',\n';
    piece = [];
    await (more ? nextTurn() : drained(response));
  };
  for (const ban of bans) {
    piece.push(JSON.stringify(ban));
    if (piece.length === limits.bansPerTurn) await writePiece();
    if (response.destroyed) return;
  }
  if (piece.length > 0 || separator.startsWith('{')) await writePiece();
  response.end('\n]}\n');
}

/** Resolves when the response can take more, or nobody reads it any longer. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
    if (response.destroyed) done();
  });
}

/** @throws {RefusalError} `unknown_jail`, with the name that was probably meant and those there are */
function knownJail(daemon: DaemonApi, name: string | undefined): string | undefined {
  if (name !== undefined && !daemon.jailNames().includes(name)) throw unknownJail(daemon, name);
  return name;
}

function unknownJail(daemon: DaemonApi, name: string): RefusalError {
  const known = daemon.jailNames();
  const meant = didYouMean(name, known) || '.';
  return new RefusalError('unknown_jail', `There is no jail "${printable(name.slice(0, 64))}"${meant} Jails: ${known.join(', ')}`);
}

function eventCount(text: string | null): number {
  if (text === null) return defaultRecentEvents;
  if (!/^\d{1,6}$/.test(text)) throw new RefusalError('usage', `last: "${printable(text.slice(0, 64))}" is not a number of events`);
  return Math.min(Number(text), limits.recentEvents);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RefusalError('usage', 'the path of the request cannot be read');
  }
}
