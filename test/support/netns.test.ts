import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { without } from '../environment.ts';
import { createNetworkPair } from './netns.ts';

describe('a pair of network namespaces', { skip: without('root', 'ip', 'nft') }, () => {
  test('carries packets of both families from every documentation address, obeys its own nft, and is gone afterwards', async () => {
    const pair = createNetworkPair();
    try {
      const [server, client] = await Promise.all([pair.host.resident(), pair.world.resident()]);
      const port = await server.listen(0);
      for (const [host, from] of [
        ['192.0.2.1', undefined],
        ['192.0.2.1', '198.51.100.7'],
        ['192.0.2.1', '203.0.113.9'],
        ['2001:db8::1', undefined],
        ['2001:db8::1', '2001:db8:123:4::5'],
      ] as const)
        assert.equal(await client.connect({ host, port, ...(from === undefined ? {} : { from }) }), 'open', `${from} to ${host}`);
      assert.equal(await client.connect({ host: '192.0.2.1', port: port === 1 ? 2 : 1 }), 'refused');

      const handle = await client.hold({ host: '192.0.2.1', port });
      assert.equal(await client.say(handle), 'echoed');
      pair.host.run(
        'nft',
        'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c tcp dport 1-65535 drop',
      );
      assert.equal(await client.say(handle, 200), 'silent');
      assert.equal(await client.connect({ host: '192.0.2.1', port, timeoutMs: 200 }), 'silent');
    } finally {
      pair.remove();
    }
    assert.equal(existsSync(`/run/netns/${pair.host.name}`), false);
    assert.equal(existsSync(pair.directory), false);
  });
});
