import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Namespace } from '../support/netns.ts';
import type { Life } from './lives.ts';
import type { RotatedLog } from './rotated-log.ts';
import type { LoadRequest } from './soak-load.ts';

/** What faults are caused in. */
export interface Scene {
  readonly host: Namespace;
  readonly life: () => Life;
  readonly socket: string;
  readonly restart: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  /** Makes the next runs of nft fail, or slow; undefined where this machine does not let us. */
  readonly nft: ((mode: 'ok' | 'fail' | 'slow') => void) | undefined;
  readonly log: RotatedLog;
  readonly load: (request: LoadRequest) => void;
  readonly journal: { readonly rotate: () => Promise<void> } | undefined;
  readonly random: () => number;
  /** Of the line without an end. */
  readonly longLineBytes: number;
}

export interface Fault {
  readonly name: string;
  /** It ends the daemon: not where one life is watched. */
  readonly ends?: true;
  readonly possible?: (scene: Scene) => boolean;
  /** Resolves when it is over; whether it was borne is seen at the end. */
  readonly cause: (scene: Scene) => Promise<void>;
}

export const faults: readonly Fault[] = [
  { name: 'nft flush ruleset', cause: nft('flush', 'ruleset') },
  { name: 'nft flush table', cause: nft('flush', 'table', 'inet', 'sluice') },
  { name: 'nft delete table', cause: nft('delete', 'table', 'inet', 'sluice') },
  { name: 'our chain deleted', cause: nft('delete', 'chain', 'inet', 'sluice', 'by_port') },
  {
    name: 'nft fails',
    possible: (scene) => scene.nft !== undefined,
    cause: async (scene) => {
      scene.nft?.('fail');
      await pause(1_000 + scene.random() * 2_000);
      scene.nft?.('ok');
    },
  },
  {
    name: 'nft is slow',
    possible: (scene) => scene.nft !== undefined,
    cause: async (scene) => {
      scene.nft?.('slow');
      await pause(1_000 + scene.random() * 2_000);
      scene.nft?.('ok');
    },
  },
  { name: 'SIGKILL', ends: true, cause: async (scene) => scene.restart('SIGKILL') },
  { name: 'SIGTERM', ends: true, cause: async (scene) => scene.restart('SIGTERM') },
  {
    name: '30 SIGHUPs',
    cause: async ({ life }) => {
      for (let index = 0; index < 30; index++) process.kill(life().pid, 'SIGHUP');
    },
  },
  { name: 'log renamed', cause: async ({ log }) => log.rename() },
  { name: 'log copied and truncated', cause: async ({ log }) => log.copyAndTruncate() },
  { name: 'log compressed', cause: async ({ log }) => log.renameAndCompress() },
  { name: 'journal rotated', possible: ({ journal }) => journal !== undefined, cause: async ({ journal }) => journal?.rotate() },
  {
    name: 'garbage on all sockets',
    cause: async ({ load, socket, random }) => {
      for (let index = 0; index < 20; index++) {
        const base64 = randomBytes(1 + Math.floor(random() * 4_000)).toString('base64');
        load({ kind: 'garbage', transport: index % 2 === 0 ? 'tcp' : 'udp', base64 });
        connect(socket)
          .on('error', () => undefined)
          .resume()
          .end(randomBytes(2_000));
      }
    },
  },
  {
    name: 'control socket flooded',
    cause: async ({ life }) => {
      const paths = ['/v1/ping', '/v1/status', '/v1/bans', '/v1/metrics', '/v1/explain?address=203.0.113.66', '/v1/no-such', '/v1/config'];
      // More than it takes at once: some are refused.
      await Promise.allSettled(Array.from({ length: 200 }, (_, index) => life().ask.text(paths[index % paths.length] ?? '')));
    },
  },
  { name: 'a line without an end', cause: async ({ load, longLineBytes }) => load({ kind: 'long_line', bytes: longLineBytes }) },
  { name: '300 idle connections', cause: async ({ load }) => load({ kind: 'idle', connections: 300, ms: 3_000 }) },
];

/** Refused where another fault has just removed what it names: then there is nothing to break. */
function nft(...args: readonly string[]): Fault['cause'] {
  return async ({ host }) => {
    try {
      host.run('nft', ...args);
    } catch {
      // It is gone already.
    }
  };
}
