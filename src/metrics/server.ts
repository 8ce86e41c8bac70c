import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

// An import would also load fetch, which node:http has among its exports: 6 MB, 40 ms.
const { createServer } = process.getBuiltinModule('node:http');

export interface MetricsServerSettings {
  readonly host: string;
  /** 0: any free port (tests). */
  readonly port: number;
  /** A page is some 50 kB: who has not taken it after so long, in ms, is cut off. */
  readonly clientMs?: number;
}

/** What the server tells. */
export interface Told {
  readonly text: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** undefined: ready. Else what is still missing, which `/-/ready` says with 503. */
  readonly missing: () => string | undefined;
  /** A page could not be made. The client got 500 without the reason, which may hold what only the log should. */
  readonly onError: (error: Error) => void;
  /** A connection was refused, because there are as many as may be. */
  readonly onRefused: () => void;
}

export interface MetricsServer {
  readonly address: AddressInfo;
  /** Ends it, open connections too. Idempotent. */
  readonly close: () => Promise<void>;
}

/** More than a few scrapers there are not; who comes beyond that is refused before it costs anything. */
const maxConnections = 16;
/**
 * Serves `/metrics`, `/-/healthy` (200 while the loop turns) and `/-/ready` over HTTP.
 *
 * Bounds: 16 connections, 4 KiB of request headers, `clientMs` from the beginning of a connection to its end. A request body is never read.
 *
 * @throws an Error that says what to do if the address cannot be had
 */
export async function serveMetrics({ host, port, clientMs = 10_000 }: MetricsServerSettings, told: Told): Promise<MetricsServer> {
  const server = createServer(
    { maxHeaderSize: 4_096, headersTimeout: clientMs, requestTimeout: clientMs, keepAlive: false, connectionsCheckingInterval: 1_000 },
    (request, response) => void answer(request, response, told),
  );
  server.maxConnections = maxConnections;
  server.on('drop', told.onRefused);
  server.on('connection', (socket) => {
    // A time limit on the whole connection, not on silence: a client that takes one byte a second is never silent.
    const limit = setTimeout(() => socket.destroy(), clientMs);
    limit.unref();
    socket.once('close', () => clearTimeout(limit));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(listenMistake({ host, port }, error), { cause: error })));
    server.listen({ host, port, backlog: maxConnections }, resolve);
  });
  server.on('error', told.onError);

  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has no port');
  let closed: Promise<void> | undefined;
  return {
    address,
    close: () => {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, told: Told): Promise<void> {
  // One request for each connection: otherwise sixteen idle ones would keep everybody else out.
  response.setHeader('Connection', 'close');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'Only GET and HEAD.\n');
    return;
  }
  switch (String(request.url?.split('?', 1)[0])) {
    case '/metrics':
      try {
        const { contentType, body } = await told.text();
        send(response, 200, body, contentType);
      } catch (error) {
        told.onError(error instanceof Error ? error : new Error(String(error)));
        send(response, 500, 'The page could not be made; the log says why.\n');
      }
      return;
    case '/-/healthy':
      send(response, 200, 'sluice is healthy.\n');
      return;
    case '/-/ready': {
      const missing = told.missing();
      if (missing === undefined) send(response, 200, 'sluice is ready.\n');
      else send(response, 503, `sluice is not ready: ${missing}\n`);
      return;
    }
    default:
      send(response, 404, 'Not here. There is /metrics, /-/healthy and /-/ready.\n');
  }
}

function send(response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** What to do about a port that cannot be had. */
function listenMistake({ host, port }: MetricsServerSettings, error: NodeJS.ErrnoException): string {
  const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const instead = 'choose another with "metrics: { listen: ADDRESS:PORT }", or "metrics: off"';
  switch (String(error.code)) {
    case 'EADDRINUSE':
      return `Cannot serve metrics on ${place}: another program listens there (see: ss -ltnp 'sport = :${port}'); stop it, or ${instead}.`;
    case 'EACCES':
      return `Cannot serve metrics on ${place}: ports below 1024 need CAP_NET_BIND_SERVICE; ${instead}.`;
    case 'EADDRNOTAVAIL':
      return `Cannot serve metrics on ${place}: this host has no such address (see: ip -brief address); ${instead}.`;
    default:
      return `Cannot serve metrics on ${place}: ${error.message}; ${instead}.`;
  }
}
