import assert from 'node:assert/strict';
import { test } from 'node:test';
import { socketCandidates, socketPath, statePath } from '../../src/config/paths.ts';

const alice = { uid: 1000, env: { HOME: '/home/alice', XDG_RUNTIME_DIR: '/run/user/1000' } };

const cases: readonly [who: Parameters<typeof statePath>[0], state: string, socket: string, because: string][] = [
  [{ uid: 0, env: {} }, '/var/lib/sluice/sluice.db', '/run/sluice/control.sock', 'root has the system directories'],
  [
    { uid: 0, env: { XDG_STATE_HOME: '/root/s', HOME: '/root' } },
    '/var/lib/sluice/sluice.db',
    '/run/sluice/control.sock',
    'root is not a user',
  ],
  [alice, '/home/alice/.local/state/sluice/sluice.db', '/run/user/1000/sluice/control.sock', 'a user has XDG directories'],
  [
    { uid: 1000, env: { ...alice.env, XDG_STATE_HOME: '/home/alice/state/' } },
    '/home/alice/state/sluice/sluice.db',
    '/run/user/1000/sluice/control.sock',
    'XDG_STATE_HOME moves the state',
  ],
  [
    { uid: 1000, env: { HOME: '/home/alice', XDG_STATE_HOME: 'state', XDG_RUNTIME_DIR: '' } },
    '/home/alice/.local/state/sluice/sluice.db',
    '/home/alice/.local/state/sluice/control.sock',
    'relative and empty variables are ignored, XDG says',
  ],
  [{ uid: 1000, env: {} }, '/run/user/1000/sluice/sluice.db', '/run/user/1000/sluice/control.sock', 'without a home, never below /tmp'],
  [
    { uid: 997, env: { STATE_DIRECTORY: '/var/lib/sluice', RUNTIME_DIRECTORY: '/run/sluice:/run/other' } },
    '/var/lib/sluice/sluice.db',
    '/run/sluice/control.sock',
    'a unit has what systemd made for it',
  ],
];
for (const [who, state, socket, because] of cases) {
  test(`paths of uid ${who.uid}: ${because}`, () => {
    assert.equal(statePath(who), state);
    assert.equal(socketPath(who), socket);
  });
}

test('a command looks where the daemon of the system is, then where its own is', () => {
  assert.deepEqual(socketCandidates(alice, undefined), ['/run/sluice/control.sock', '/run/user/1000/sluice/control.sock']);
});
test('a command that is told where to look looks nowhere else', () => {
  const env = { ...alice.env, SLUICE_SOCKET: '/tmp/b' };
  assert.deepEqual(socketCandidates({ uid: 1000, env }, '/tmp/a'), ['/tmp/a']);
  assert.deepEqual(socketCandidates({ uid: 1000, env }, undefined), ['/tmp/b']);
});
