import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { adviceFor } from '../../src/enforce/nft-advice.ts';
import { findNft, probeNft } from '../../src/enforce/nft-probe.ts';
import { program, without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';

describe('whether nft may be used', { skip: without('root', 'ip', 'nft') }, () => {
  test('root may, and asking changes nothing', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    assert.deepEqual(await probeNft(pair.host.wrapper('nft')), { permitted: true });
    assert.equal(pair.host.run('nft', 'list', 'ruleset'), '');
  });

  test('also beside our table as an earlier version has made it', async (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    pair.host.run('nft', 'add table inet sluice; add set inet sluice all_ports_h4 { type ipv4_addr; flags interval; }');
    assert.deepEqual(await probeNft(pair.host.wrapper('nft')), { permitted: true });
  });

  for (const [who, options, permitted] of [
    ['an ordinary user', '--reuid 65534 --regid 65534 --clear-groups', false],
    [
      'an ordinary user with CAP_NET_ADMIN alone',
      '--reuid 65534 --regid 65534 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin --bounding-set -all,+net_admin --no-new-privs',
      true,
    ],
  ] as const) {
    test(`${who}: ${permitted ? 'may' : 'may not, and is told what mends it'}`, async (t) => {
      const pair = createNetworkPair();
      t.after(pair.remove);
      const path = join(pair.directory, 'nft');
      writeFileSync(
        path,
        `#!/bin/sh\nexec ${program('ip')} netns exec ${pair.host.name} ${program('setpriv')} ${options} ${program('nft')} "$@"\n`,
        { mode: 0o755 },
      );
      const probed = await probeNft(path);
      assert.equal(probed.permitted, permitted);
      if (!probed.permitted) {
        assert.match(probed.why, /not permitted/);
        assert.match(probed.mend, /CAP_NET_ADMIN/);
      }
    });
  }

  test('it is found without PATH', () => assert.equal(findNft(''), program('nft')));
});

describe('without nft', () => {
  for (const nft of [undefined, '/nonexistent/nft'])
    test(`${nft}: which package to install`, async () => {
      const probed = await probeNft(nft);
      assert.ok(!probed.permitted);
      assert.match(probed.mend, /nftables/);
    });
});

test('advice names the unit where systemd has started us', () => {
  assert.match(adviceFor('denied', { INVOCATION_ID: 'x' }), /AmbientCapabilities=CAP_NET_ADMIN/);
  assert.match(adviceFor('denied', {}), /sudo/);
});
