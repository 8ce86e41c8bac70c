import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DaemonApi } from '../../src/control/protocol.ts';
import { startControl } from '../../src/control/server.ts';

/** A private directory, gone when the test ends. */
export async function privateDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-control-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The real server before the given daemon, on a socket of its own; closed when the test ends. */
export async function serve(
  t: TestContext,
  daemon: DaemonApi,
): Promise<{ readonly socketPath: string; readonly errors: readonly string[] }> {
  const socketPath = join(await privateDirectory(t), 'control.sock');
  const errors: string[] = [];
  const control = await startControl({ socketPath, group: undefined, daemon, onError: (message) => errors.push(message) });
  t.after(() => control.close());
  return { socketPath, errors };
}

/** One exchange with nothing of ours on the asking side. */
export function exchange(
  socketPath: string,
  { method = 'GET', path, body }: { readonly method?: string; readonly path: string; readonly body?: string },
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
