import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { printable } from '../diagnostic.ts';
import { maxTargets, RefusalError } from './protocol.ts';
import { parseTarget, type Target } from './target.ts';

/** More than maxTargets of the longest spelling of a network take. */
const maxBodyBytes = 128 * 1024;

const targets = v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(maxTargets));
const forMs = v.optional(v.nullable(v.pipe(v.number(), v.finite(), v.minValue(1))));

export const banBody = v.strictObject({ targets, jail: v.optional(v.string()), forMs });
export const unbanBody = v.union([v.strictObject({ targets }), v.strictObject({ all: v.literal(true) })]);
export const allowBody = v.strictObject({ targets, forMs });
export const disallowBody = v.strictObject({ targets });
/** A day at most: whoever wants longer has confirmed. */
export const reloadBody = v.optional(
  v.strictObject({ confirmMs: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(86_400_000))) }),
  {},
);

/**
 * Reads the JSON body of a request and checks it.
 *
 * @throws {RefusalError} `too_large` beyond 128 KiB, the rest is then read and thrown away; `usage` for anything but the document wanted
 */
export async function readBody<TSchema extends v.GenericSchema>(
  request: IncomingMessage,
  schema: TSchema,
): Promise<v.InferOutput<TSchema>> {
  let document: unknown;
  const text = (await readBytes(request)).toString('utf8');
  try {
    // A request without a body asks for what the schema says then.
    document = text === '' && v.is(schema, undefined) ? undefined : JSON.parse(text);
  } catch {
    throw new RefusalError('usage', 'the body is not JSON');
  }
  const result = v.safeParse(schema, document);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  throw new RefusalError('usage', printable(`${place === null ? 'the body' : place}: ${issue.message}`.slice(0, 300)));
}

/** Listens instead of iterating: leaving `for await` early destroys the request, and the refusal with it. */
function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      reject(new RefusalError('too_large', `the request is longer than ${maxBodyBytes} bytes; send it in parts`));
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    // An asker that hung up: nobody is there to be told, and it is no fault of the daemon.
    request.on('error', () => reject(new RefusalError('usage', 'the request broke off')));
  });
}

/** @throws {RefusalError} `usage`, naming the texts that are neither address nor network, up to five */
export function parseTargets(texts: readonly string[]): readonly Target[] {
  const parsed: Target[] = [];
  const bad: string[] = [];
  for (const text of texts) {
    const target = parseTarget(text);
    if (target === undefined) bad.push(text);
    else parsed.push(target);
  }
  if (bad.length === 0) return parsed;
  const named = bad.slice(0, 5).map((text) => `"${printable(text.slice(0, 64))}"`);
  const more = bad.length > named.length ? ` and ${bad.length - named.length} more` : '';
  throw new RefusalError('usage', `not an address or network: ${named.join(', ')}${more}`);
}
