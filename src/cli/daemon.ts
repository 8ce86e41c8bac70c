import { type ControlClient, createClient, socketPaths } from '../control/client.ts';
import type { Given } from './command.ts';

/** The daemon that the command line and the environment point to. */
export function daemonOf(given: Given): ControlClient {
  return createClient(socketPaths(given.text('socket'), process.env));
}

/** One JSON document on stdout. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}
