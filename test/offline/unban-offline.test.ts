import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { Ban } from '../../src/model/decision.ts';
import { openStore } from '../../src/store/store.ts';
import { startControl } from '../../src/control/server.ts';
import { without } from '../environment.ts';
import { runSluice } from '../cli/running-command.ts';
import { createSampleDaemon, prefix } from '../control/sample-daemon.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';

const ban: Ban = {
  jail: 'postfix',
  subject: prefix('203.0.113.9'),
  sinceMs: Date.parse('2026-11-22T19:00:00Z'),
  untilMs: Infinity,
  count: 2,
  origin: 'jail',
  observe: false,
};
const nothing = { bans: [], past: [], windows: [], allow: [], cursors: [] };
const skip = { skip: without('root', 'ip', 'nft') };

interface Place {
  readonly pair: NetworkPair;
  readonly config: string;
  readonly state: string;
  readonly socket: string;
  /** `sluice unban --all --offline` in the namespace. */
  readonly unban: (...more: readonly string[]) => ReturnType<typeof runSluice>;
}

async function prepare(t: TestContext, extra = ''): Promise<Place> {
  const pair = createNetworkPair();
  t.after(() => pair.remove());
  const config = join(pair.directory, 'sluice.yaml');
  const state = join(pair.directory, 'sluice.db');
  const socket = join(pair.directory, 'control.sock');
  await writeFile(
    config,
    `state: { path: ${state} }\ncontrol: { socket: ${socket} }\njails: { postfix: { filters: [postfix] } }\n${extra}`,
  );
  const unban: Place['unban'] = (...more) =>
    runSluice(['unban', '--all', '--offline', '-c', config, ...more], {
      namespace: pair.host.name,
      // The default place of the state, for the test in which the configuration cannot say it: never this machine's own.
      env: { STATE_DIRECTORY: pair.directory },
    });
  return { pair, config, state, socket, unban };
}

function fill({ pair, state }: Place): void {
  pair.host.run('nft', 'add table inet sluice; add table inet other');
  const store = openStore(state, 0);
  store.commit({
    ...nothing,
    bans: [{ ...ban, ban }],
    windows: [{ jail: 'postfix', subject: prefix('198.51.100.7'), failuresMs: [1, 2] }],
  });
  store.close();
}

const tables = ({ pair }: Place): string => pair.host.run('nft', 'list', 'tables');

describe('unban --all --offline', () => {
  test("removes our table and nobody else's, and the bans of the store; the history stays", skip, async (t) => {
    const place = await prepare(t);
    fill(place);
    assert.deepEqual(await place.unban(), {
      code: 0,
      signal: null,
      stdout: `removed table inet sluice from the kernel: nobody is kept out any longer\n1 ban taken out of ${place.state}\n`,
      stderr: '',
    });
    assert.equal(tables(place), 'table inet other\n');
    const store = openStore(place.state, 0);
    t.after(() => store.close());
    const { bans, windows, past } = store.load();
    assert.deepEqual({ bans, windows }, { bans: [], windows: [] });
    assert.deepEqual(
      past.map(({ jail, subject, count }) => ({ jail, subject, count })),
      [{ jail: 'postfix', subject: ban.subject, count: 2 }],
    );
  });

  test('tells the same as JSON', skip, async (t) => {
    const place = await prepare(t);
    fill(place);
    const { code, stdout } = await place.unban('--json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), {
      results: [{ target: 'all', count: 1, lifted: [{ jail: 'postfix', subject: ban.subject }] }],
      table: 'removed',
    });
  });

  test('with nothing there it is exit 5, and makes no store', skip, async (t) => {
    const place = await prepare(t);
    assert.deepEqual(await place.unban(), {
      code: 5,
      signal: null,
      stdout: '',
      stderr: `there is no table inet sluice in the kernel\nthere is no store at ${place.state}\n`,
    });
    assert.equal(existsSync(place.state), false);
  });

  test('refuses while a daemon runs: it would put the bans back', skip, async (t) => {
    const place = await prepare(t);
    fill(place);
    const control = await startControl({
      socketPath: place.socket,
      group: undefined,
      daemon: createSampleDaemon().api,
      onError: assert.fail,
    });
    t.after(() => control.close());
    const { code, stderr } = await place.unban();
    assert.equal(code, 1);
    assert.match(stderr, /the daemon runs, and would put its bans back\. Ask it: sluice unban --all/);
    assert.match(tables(place), /table inet sluice\n/);
  });

  test('with a broken configuration the kernel is freed all the same, and exit 78 says what is left', skip, async (t) => {
    const place = await prepare(t, 'jials: {}\n');
    fill(place);
    const { code, stdout, stderr } = await place.unban();
    assert.equal(code, 78);
    assert.match(stdout, /^removed table inet sluice from the kernel/);
    assert.match(stderr, /jials[\s\S]*did you mean[\s\S]*it is not known where the daemon keeps its bans/);
    assert.equal(tables(place), 'table inet other\n');
  });

  test('a store that cannot be used is exit 1 with the reason, after the kernel was freed', skip, async (t) => {
    const place = await prepare(t);
    place.pair.host.run('nft', 'add table inet sluice');
    place.pair.host.run('mkdir', place.state);
    const { code, stderr } = await place.unban();
    assert.equal(code, 1);
    assert.match(stderr, /cannot use .*sluice\.db/);
    assert.equal(tables(place), '');
  });
});
