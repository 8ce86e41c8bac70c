import { socketCandidates } from '../config/paths.ts';
import { type ControlClient, createClient } from '../control/client.ts';
import type { Given } from './command.ts';

/** The daemon that the command line and the environment point to. */
export function daemonOf(given: Given): ControlClient {
  const who = { uid: process.getuid?.() ?? 0, env: process.env };
  return createClient(socketCandidates(who, given.text('socket')));
}

/** One JSON document on stdout. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}
