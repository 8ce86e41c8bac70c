import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lookUpElements } from '../../src/enforce/look-up.ts';
import { without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';
import { all, prefix } from './enforcement.ts';

const sets = `table inet sluice {
  set all_ports_h4 { type ipv4_addr; flags timeout; }
  set all_ports_h6 { type ipv6_addr; flags timeout; }
  set all_ports_m6_64 { type ipv6_addr; flags timeout; }
}
add element inet sluice all_ports_h4 { 203.0.113.9 timeout 25h, 203.0.113.10 timeout 90s, 203.0.113.11 }
add element inet sluice all_ports_m6_64 { 2001:db8:1:2:: timeout 1h }`;

describe('asking the kernel for single elements', { skip: without('root', 'ip', 'nft') }, () => {
  test('tells set, element and what is left of it; what is not there is left out', async (t) => {
    const pair = createNetworkPair();
    t.after(() => pair.remove());
    pair.host.run('nft', sets);
    const asked = ['203.0.113.9', '203.0.113.10', '203.0.113.11', '203.0.113.12', '2001:db8:1:2::/64', '2001:db8:1:2::9'];
    const found = await lookUpElements(
      pair.host.wrapper('nft'),
      asked.map((subject) => ({ ports: all, subject: prefix(subject) })),
    );
    assert.deepEqual(
      found.map(({ set, element, expiresInS }) => ({
        set,
        element,
        left: expiresInS === undefined ? undefined : Math.ceil(expiresInS / 30) * 30,
      })),
      [
        { set: 'all_ports_h4', element: '203.0.113.9', left: 90_000 },
        { set: 'all_ports_h4', element: '203.0.113.10', left: 90 },
        { set: 'all_ports_h4', element: '203.0.113.11', left: undefined },
        { set: 'all_ports_m6_64', element: '2001:db8:1:2::', left: 3_600 },
      ],
    );
  });

  test('an nft that cannot be asked is an error, not an empty answer', async () => {
    await assert.rejects(lookUpElements('/bin/false', [{ ports: all, subject: prefix('203.0.113.9') }]), /nft cannot be asked/);
  });
});
