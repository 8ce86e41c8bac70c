import type { IncomingMessage } from 'node:http';
import { type RefusalCode, RefusalError } from './protocol.ts';
import { explainUnreachable, NotReachableError, type Unreachable } from './unreachable.ts';

// An import would also load fetch, which node:http has among its exports: 6 MB and 40 ms.
const { request: httpRequest } = process.getBuiltinModule('node:http');

/** Longest reply taken: a list of more than a million bans. */
const maxReplyBytes = 256 * 1024 * 1024;
/** How long the daemon may be silent before it is given up. */
const silenceMs = 30_000;

/** Asks the daemon behind the first of the paths where one answers. */
export interface ControlClient {
  /**
   * @returns the reply's JSON, as the protocol promises it for that path: the daemon is of the same package, and the path has its version
   * @throws {RefusalError} as the daemon answered
   * @throws {NotReachableError}
   */
  readonly get: <T>(path: string) => Promise<T>;
  readonly post: <T>(path: string, body: unknown) => Promise<T>;
  readonly text: (path: string) => Promise<string>;
  /** The lines of a reply that may have no end; leaving the loop ends the connection. */
  readonly lines: (path: string) => AsyncIterable<string>;
}

export function createClient(paths: readonly string[]): ControlClient {
  const ask = async (method: 'GET' | 'POST', path: string, body: unknown): Promise<IncomingMessage> => {
    const response = await connectFirst(paths, method, path, body === undefined ? undefined : JSON.stringify(body));
    if (response.statusCode === 200) return response;
    throw toRefusal(response.statusCode ?? 0, await readText(response));
  };
  const json = async <T>(method: 'GET' | 'POST', path: string, body: unknown): Promise<T> => {
    const text = await readText(await ask(method, path, body));
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new RefusalError('failed', `The daemon's answer to ${path} broke off or is not JSON (${text.length} characters).`, { cause });
    }
  };
  return {
    get: (path) => json('GET', path, undefined),
    post: (path, body) => json('POST', path, body),
    text: async (path) => readText(await ask('GET', path, undefined)),
    lines: (path) => readLines(() => ask('GET', path, undefined)),
  };
}

async function connectFirst(
  paths: readonly string[],
  method: 'GET' | 'POST',
  path: string,
  body: string | undefined,
): Promise<IncomingMessage> {
  const failures: Unreachable[] = [];
  for (const socketPath of paths) {
    const outcome = await send(socketPath, method, path, body);
    if (outcome.kind === 'answer') return outcome.response;
    failures.push(outcome);
  }
  throw new NotReachableError(explainUnreachable(failures));
}

type Outcome = { readonly kind: 'answer'; readonly response: IncomingMessage } | Unreachable;

/** @throws {RefusalError} `failed` if somebody took the connection and then gave no answer: asking at the next place could act twice */
function send(socketPath: string, method: 'GET' | 'POST', path: string, body: string | undefined): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) };
    const request = httpRequest({ socketPath, method, path, headers, agent: false }, (response) => {
      // Who follows events may wait for hours; what was begun otherwise must go on.
      if (response.headers['content-type'] === 'application/x-ndjson') request.setTimeout(0);
      resolve({ kind: 'answer', response });
    });
    request.setTimeout(silenceMs, () => {
      request.destroy(new Error(`no answer for ${silenceMs / 1_000} seconds`));
    });
    request.on('socket', (socket) => {
      socket.once('connect', () => {
        connected = true;
      });
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (connected) reject(new RefusalError('failed', `The daemon on ${socketPath} broke off: ${error.message}. Its log says more.`));
      else resolve({ kind: 'unreachable', socketPath, code: error.code ?? error.message });
    });
    request.end(body);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxReplyBytes) throw new Error(`it is longer than ${maxReplyBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new RefusalError('failed', `The daemon's answer broke off: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Longest event line; an event quotes one line of at most 512 bytes. */
const maxLineCharacters = 64 * 1024;

async function* readLines(ask: () => Promise<IncomingMessage>): AsyncGenerator<string> {
  const response = await ask();
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > maxLineCharacters) throw new RefusalError('failed', 'The daemon sent a line without an end.');
      yield* lines;
    }
  } catch (cause) {
    if (cause instanceof RefusalError) throw cause;
    throw new NotReachableError('The daemon is gone: the connection broke off.');
  }
}

const refusalCodes: ReadonlySet<string> = new Set<RefusalCode>([
  'usage',
  'unknown_jail',
  'unknown_path',
  'method',
  'too_large',
  'busy',
  'failed',
]);

function toRefusal(status: number, text: string): RefusalError {
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null && 'error' in document) {
      const { error } = document;
      if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
        if (isRefusalCode(error.code) && typeof error.message === 'string')
          return new RefusalError(error.code, error.message + advice(error.code));
      }
    }
  } catch {
    // Not from a sluice of this version: the status says as much as there is to say.
  }
  return new RefusalError('failed', `The daemon answered with HTTP status ${status} and no reason; is that socket sluice's?`);
}

/** After an upgrade the old daemon goes on until it is restarted. */
function advice(code: RefusalCode): string {
  return code === 'unknown_path' ? '. The daemon is of another version than this command ("sluice ping" tells which): restart it.' : '';
}

function isRefusalCode(value: unknown): value is RefusalCode {
  return typeof value === 'string' && refusalCodes.has(value);
}
