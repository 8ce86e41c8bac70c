import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { parsePrefix, type Prefix } from '../../src/model/address.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { openStore } from '../../src/store/store.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'));
after(() => rmSync(folder, { recursive: true }));

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

const now = Date.UTC(2026, 10, 22);
const subject = prefix('192.0.2.4');
const nothing: Checkpoint = { bans: [], past: [], windows: [], allow: [], cursors: [] };
const everything: Checkpoint = {
  bans: [
    {
      jail: 'sshd',
      subject,
      ban: { jail: 'sshd', subject, sinceMs: now, untilMs: now + 60_000, count: 2, origin: 'jail', observe: false },
    },
    {
      jail: 'manual',
      subject: prefix('2001:db8::/64'),
      ban: {
        jail: 'manual',
        subject: prefix('2001:db8::/64'),
        sinceMs: now,
        untilMs: Infinity,
        count: 1,
        origin: 'manual',
        observe: false,
      },
    },
  ],
  past: [{ jail: 'sshd', subject, past: { jail: 'sshd', subject, count: 1, endedMs: now - 5 } }],
  windows: [{ jail: 'sshd', subject, failuresMs: [now - 2.5, now] }],
  allow: [{ prefix: prefix('198.51.100.0/24'), untilMs: Infinity }],
  cursors: [
    { source: 'journal', key: '', cursor: { kind: 'journal', cursor: 's=1;i=2', realtimeMs: now } },
    {
      source: 'mail',
      key: '/var/log/mail.log',
      cursor: { kind: 'file', path: '/var/log/mail.log', inode: 2n ** 63n, offsetBytes: 17, head: 'ab' },
    },
  ],
};

describe('the store', () => {
  test('gives back after a restart what was committed', () => {
    const path = join(folder, 'a', 'sluice.db');
    const first = openStore(path, now);
    assert.equal(first.trouble, undefined);
    first.commit(everything);
    first.close();
    const state = openStore(path, now).load();
    assert.deepEqual(
      state.bans.toSorted((a, b) => (a.jail < b.jail ? 1 : -1)),
      everything.bans.map(({ ban }) => ban),
    );
    assert.deepEqual(state.past, [everything.past[0]?.past]);
    assert.deepEqual(state.windows, everything.windows);
    assert.deepEqual(state.allow, everything.allow);
    assert.deepEqual(state.cursors, everything.cursors);
  });

  test('drops rows that a checkpoint takes back', () => {
    const store = openStore(join(folder, 'b.db'), now);
    store.commit(everything);
    store.commit({
      ...nothing,
      bans: everything.bans.map(({ jail, subject }) => ({ jail, subject, ban: undefined })),
      past: [{ jail: 'sshd', subject, past: undefined }],
      windows: [{ jail: 'sshd', subject, failuresMs: [] }],
      allow: everything.allow.map(({ prefix }) => ({ prefix, untilMs: undefined })),
    });
    assert.deepEqual({ ...store.load(), cursors: [] }, { bans: [], past: [], windows: [], allow: [], cursors: [] });
    store.close();
  });

  test('keeps nothing of a checkpoint that fails half-way', () => {
    const store = openStore(join(folder, 'c.db'), now);
    const absent: Prefix = JSON.parse('null');
    const broken = { ...everything, allow: [{ prefix: absent, untilMs: 1 }] };
    assert.throws(() => store.commit(broken));
    assert.deepEqual(store.load().bans, []);
    store.commit(everything);
    assert.equal(store.load().bans.length, 2);
    store.close();
  });

  test('is readable by its owner and group alone', () => {
    const path = join(folder, 'd.db');
    openStore(path, now).close();
    assert.equal(statSync(path).mode & 0o777, 0o640);
  });

  for (const [what, damage] of [
    ['is no database', (path: string) => writeFileSync(path, 'mail.log of a long day, not a database at all\n'.repeat(200))],
    ['has a damaged page', (path: string) => writeFileSync(path, scribble(path))],
    [
      'has a table of another shape',
      (path: string) => {
        const foreign = new DatabaseSync(path);
        foreign.exec('DROP TABLE bans; CREATE TABLE bans (x)');
        foreign.close();
      },
    ],
  ] as const) {
    test(`a file that ${what} is kept aside, and said`, () => {
      const place = mkdtempSync(join(folder, 'damaged-'));
      const path = join(place, 'sluice.db');
      const first = openStore(path, now);
      first.commit(everything);
      first.close();
      damage(path);
      const store = openStore(path, now);
      assert.match(store.trouble ?? '', /is damaged .* kept as .*corrupt-2026-11-22T000000\.000Z, started afresh/);
      assert.deepEqual(store.load().bans, []);
      store.commit(everything);
      assert.equal(store.load().bans.length, 2);
      store.close();
      assert.ok(readdirSync(place).some((name) => name.includes('.corrupt-')));
    });
  }

  test('a database of a newer sluice is left as it is', () => {
    const path = join(folder, 'newer.db');
    openStore(path, now).close();
    const newer = new DatabaseSync(path);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    const store = openStore(path, now);
    assert.equal(store.path, ':memory:');
    assert.match(store.trouble ?? '', /a newer sluice wrote it/);
    store.close();
  });

  for (const gone of [['sluice.db'], ['sluice.db', 'sluice.db-wal', 'sluice.db-shm']]) {
    test(`${gone.join(', ')} removed while open: said once, and made again with all that it held`, () => {
      const directory = mkdtempSync(join(folder, 'gone-'));
      const path = join(directory, 'sluice.db');
      const store = openStore(path, now);
      store.commit({ ...nothing, bans: everything.bans });
      for (const name of gone) rmSync(join(directory, name));
      assert.throws(() => store.commit({ ...nothing, past: everything.past }), /removed while it was open, and has been made again/);
      store.commit({ ...nothing, past: everything.past });
      assert.equal(statSync(path).mode & 0o777, 0o640);
      store.close();
      const again = openStore(path, now);
      assert.equal(again.trouble, undefined);
      assert.equal(again.load().bans.length, 2);
      assert.equal(again.load().past.length, 1);
      again.close();
      assert.deepEqual(readdirSync(directory), ['sluice.db']);
    });
  }

  test('another file put in its place while open is said, and not written over', () => {
    const path = join(mkdtempSync(join(folder, 'other-')), 'sluice.db');
    const store = openStore(path, now);
    store.commit(everything);
    rmSync(path);
    writeFileSync(path, 'a backup');
    for (let n = 0; n < 2; n++) assert.throws(() => store.commit(everything), /another file was put in its place/);
    assert.equal(readFileSync(path, 'utf8'), 'a backup');
  });

  test('a path that cannot be written: in memory, and said', () => {
    const store = openStore('/proc/nowhere/sluice.db', now);
    assert.equal(store.path, ':memory:');
    assert.match(store.trouble ?? '', /cannot use \/proc\/nowhere\/sluice\.db .* in memory only/);
    store.commit(everything);
    assert.equal(store.load().bans.length, 2);
    store.close();
  });

  test('a process killed right after a commit has kept it', () => {
    const path = join(folder, 'killed.db');
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../src/store/store.ts', import.meta.url).href)};
      const store = openStore(${JSON.stringify(path)}, ${now});
      store.commit({ bans: [], past: [], windows: [], allow: [{ prefix: '192.0.2.0/24', untilMs: 7 }], cursors: [] });
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(child.signal, 'SIGKILL', child.stderr.toString());
    const store = openStore(path, now);
    assert.deepEqual(store.load().allow, [{ prefix: prefix('192.0.2.0/24'), untilMs: 7 }]);
    store.close();
  });
});

/** The file with its middle pages overwritten. */
function scribble(path: string): Buffer {
  chmodSync(path, 0o640);
  const bytes = readFileSync(path);
  return Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x5a)]);
}
