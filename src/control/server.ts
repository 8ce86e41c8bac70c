import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { printable } from '../diagnostic.ts';
import { listenPrivately } from './listen.ts';
import { type DaemonApi, type RefusalCode, RefusalError } from './protocol.ts';
import { createAnswerer } from './routes.ts';

// An import would also load fetch, which node:http has among its exports: 6 MB, 40 ms.
const { createServer } = process.getBuiltinModule('node:http');

const limits = {
  connections: 64,
  /** A request of ours is sent in one piece; whoever dribbles is cut off. */
  requestMs: 10_000,
  idleMs: 5_000,
  checkMs: 1_000,
  lookMs: 5_000,
} as const;

export interface ControlServer {
  /** Refuses new connections, ends followers, lets requests that were taken be answered for up to a second. Removes the socket. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the control socket.
 *
 * @param group name or number of the group that may use it; undefined: the daemon's own
 * @param onError told of failures that are the daemon's own and not the asker's, for the log
 * @throws {SocketError} if it cannot be opened, also when another daemon listens there
 */
export async function startControl({
  socketPath,
  group,
  daemon,
  onError,
  lookMs = limits.lookMs,
}: {
  readonly socketPath: string;
  readonly group: string | undefined;
  readonly daemon: DaemonApi;
  readonly onError: (message: string) => void;
  /** How often to look whether the socket is still there, ms. */
  readonly lookMs?: number;
}): Promise<ControlServer> {
  const closing = new AbortController();
  const answer = createAnswerer(daemon, closing.signal);
  const server = createServer(
    {
      headersTimeout: limits.requestMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: limits.checkMs,
    },
    (request, response) => {
      response.on('error', () => response.destroy());
      answer(request, response).catch((error: unknown) => {
        if (!(error instanceof RefusalError)) onError(`control: ${request.method} ${printable(request.url ?? '')}: ${String(error)}`);
        refuse(request, response, error);
      });
    },
  );
  server.maxConnections = limits.connections;
  await listenPrivately(server, socketPath, group);
  server.on('error', (error) => onError(`control: ${error.message}`));

  // Whoever tidies up /run by hand would leave a daemon that nobody can ask or stop bans of.
  const look = setInterval(() => {
    if (existsSync(socketPath)) return;
    // Only what is new needs a socket with a name: requests and followers go on. close() lets go of the old one at once.
    server.close();
    listenPrivately(server, socketPath, group).then(
      () => onError(`control: ${socketPath} was gone, and is there again`),
      (error: unknown) => onError(`control: ${error instanceof Error ? error.message : String(error)}`),
    );
  }, lookMs);
  look.unref();

  return {
    close: () =>
      new Promise((resolve) => {
        clearInterval(look);
        closing.abort();
        const impatience = setTimeout(() => server.closeAllConnections(), 1_000);
        server.close(() => {
          clearTimeout(impatience);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

const statusOf: Readonly<Record<RefusalCode, number>> = {
  usage: 400,
  unknown_jail: 404,
  unknown_path: 404,
  method: 405,
  too_large: 413,
  busy: 503,
  failed: 500,
};

/** Says why not, unless the answer has begun: then breaking off is all that tells the asker. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = error instanceof RefusalError ? error.code : 'failed';
  const message = error instanceof Error ? error.message : String(error);
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) {
    response.setHeader('Connection', 'close');
    request.resume();
  }
  response.writeHead(statusOf[code], { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify({ error: { code, message } })}\n`);
}
