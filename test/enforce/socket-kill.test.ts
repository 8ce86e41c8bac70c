import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { portRanges } from '../../src/enforce/layout.ts';
import { startNftChild } from '../../src/enforce/nft-child.ts';
import { createSocketKiller, sessionFilter } from '../../src/enforce/socket-kill.ts';
import { program, without } from '../environment.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';
import { all, mail, prefix } from './enforcement.ts';

describe('sessions of banned hosts', { skip: without('root', 'ip', 'nft') }, () => {
  test('the filter picks the sessions of these hosts on these ports, of both families, and no others', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const [server, world] = await Promise.all([pair.host.resident(), pair.world.resident()]);
    await Promise.all([server.listen(25), server.listen(8025), world.listen(25)]);
    for (const [host, from, port] of [
      ['192.0.2.1', '198.51.100.1', 25],
      ['192.0.2.1', '198.51.100.1', 8025],
      ['192.0.2.1', '198.51.100.2', 25],
      ['192.0.2.1', '203.0.113.77', 25],
      ['2001:db8::1', '2001:db8:100:1::1', 25],
      ['2001:db8::1', '2001:db8:100:2::2', 25],
      ['2001:db8::1', '2001:db8:100:3::3', 25],
    ] as const)
      await world.hold({ host, from, port });
    // One of ours: not to be ended.
    await server.hold({ host: '198.51.100.1', port: 25 });
    const picked = (subjects: readonly string[], ports: readonly number[]): string[] => {
      const listed = pair.host.run('ss', '-H', '-n', '-t', 'state', 'connected', ...sessionFilter(subjects.map(prefix), portRanges(ports)));
      return listed
        .split('\n')
        .filter(Boolean)
        .map((line) => line.trim().split(/\s+/))
        .map(
          ([, , , local, peer]) =>
            `${peer?.replace(/:\d+$/, '').replace('::ffff:', '').replaceAll(/[[\]]/g, '')} ${local?.split(':').at(-1)}`,
        )
        .toSorted();
    };
    assert.deepEqual(picked(['198.51.100.1'], [25, 465]), ['198.51.100.1 25']);
    assert.deepEqual(picked(['198.51.100.1', '203.0.113.0/24'], [20, 21, 22, 23, 24, 25, 8_025]), [
      '198.51.100.1 25',
      '198.51.100.1 8025',
      '203.0.113.77 25',
    ]);
    assert.deepEqual(picked(['2001:db8:100:1::1', '2001:db8:100:2::/64'], [25]), ['2001:db8:100:1::1 25', '2001:db8:100:2::2 25']);
  });

  test('a kernel that cannot end sessions is asked once, and that is said once', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const { path, calls } = recordingSs(pair, 'echo "RTNETLINK answers: Invalid argument" >&2');
    const { killer, said, settled } = killerWith(t, pair, path);
    killer.end([{ ports: mail, subject: prefix('198.51.100.1') }]);
    await settled();
    killer.end([{ ports: mail, subject: prefix('198.51.100.2') }]);
    await settled();
    assert.equal(calls().length, 1);
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /INET_DIAG_DESTROY/);
  });

  test('many hosts are one ss for each list of ports; for all ports, those that are listened on', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const { path, calls } = recordingSs(
      pair,
      'case "$*" in *-l*) echo "LISTEN 0 100 *:25 *:*"; echo "LISTEN 0 100 [::]:143 [::]:*" ;; esac',
    );
    const { killer, settled } = killerWith(t, pair, path);
    killer.end([
      { ports: mail, subject: prefix('198.51.100.1') },
      { ports: all, subject: prefix('198.51.100.3') },
      { ports: mail, subject: prefix('2001:db8::/64') },
      { ports: { kind: 'list', protocol: 'udp', ports: [53] }, subject: prefix('198.51.100.4') },
    ]);
    await settled();
    const kill = '-K -H -n -t state connected';
    assert.deepEqual(calls(), [
      `${kill} ( dst 198.51.100.1 or dst [2001:db8::/64] ) and ( sport = :25 or sport = :465 or sport = :587 )`,
      '-H -n -l -t',
      `${kill} ( dst 198.51.100.3 ) and ( sport = :25 or sport = :143 )`,
    ]);
  });

  test('what comes faster than ss can work is bounded and counted', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const { path, calls } = recordingSs(pair, '');
    const { killer, settled } = killerWith(t, pair, path);
    killer.end(Array.from({ length: 12_000 }, (_, index) => ({ ports: mail, subject: prefix(`10.0.${index >> 8}.${index & 255}`) })));
    await settled();
    assert.ok(killer.left() >= 1_900 && calls().length <= 2);
  });

  test('of many hosts only those that have a session are looked for', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const { path, calls } = recordingSs(
      pair,
      `case "$*" in *-K*) ;; *) cat <<'END'
ESTAB 0 0 192.0.2.1:25 10.0.1.7:40001
ESTAB 0 0 [::ffff:192.0.2.1]:25 [::ffff:10.0.1.8]:40002
ESTAB 0 0 [2001:db8::1]:25 [2001:db8:5::9]:40003
ESTAB 0 0 192.0.2.1:22 203.0.113.9:40004
END
esac`,
    );
    const { killer, settled } = killerWith(t, pair, path);
    const hosts = Array.from({ length: 1_000 }, (_, index) => prefix(`10.0.${index >> 8}.${index & 255}`));
    killer.end([...hosts, prefix('2001:db8:5::/64'), prefix('2001:db8:6::/64')].map((subject) => ({ ports: mail, subject })));
    await settled();
    const ports = '( sport = :25 or sport = :465 or sport = :587 )';
    assert.deepEqual(calls(), [
      '-H -n -t state connected',
      `-K -H -n -t state connected ( dst 10.0.1.7 or dst 10.0.1.8 or dst [2001:db8:5::/64] ) and ${ports}`,
    ]);
    assert.equal(killer.left(), 0);
  });
});

/** In place of ss -K, which this kernel may not have: writes down its arguments. */
function recordingSs(pair: NetworkPair, line: string): { readonly path: string; readonly calls: () => string[] } {
  const path = join(pair.directory, 'ss');
  const log = join(pair.directory, 'ss-calls');
  writeFileSync(path, `#!/bin/sh\necho "$*" >>${log}\n${line}\nexit 0\n`, { mode: 0o755 });
  return { path, calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []) };
}

function killerWith(t: TestContext, pair: NetworkPair, ss: string) {
  const said: string[] = [];
  const child = startNftChild({ nft: program('nft') ?? '', ss, directory: pair.directory, timeoutMs: 5_000 });
  t.after(() => child.stop());
  const killer = createSocketKiller(child, { unable: (why) => said.push(why) });
  return { killer, said, settled: () => killer.idle() };
}
