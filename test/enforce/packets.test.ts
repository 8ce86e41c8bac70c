import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseAddress } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { createNetworkPair, type NetworkPair, type Reached, type Resident } from '../support/netns.ts';
import { all, enforceIn, type Enforcement, mail, prefix, put, remove } from './enforcement.ts';

describe('real packets', { skip: without('root', 'ip', 'nft') }, () => {
  let pair: NetworkPair;
  let kernel: Enforcement;
  let server: Resident;
  let world: Resident;
  const smtp = 25;
  const web = 8025;

  before(async () => {
    pair = createNetworkPair();
    kernel = enforceIn(pair, pair.host);
    [server, world] = await Promise.all([pair.host.resident(), pair.world.resident()]);
    await Promise.all([server.listen(smtp), server.listen(web), world.listen(smtp)]);
    assert.deepEqual(await kernel.enforcer.start({ lists: [all, mail], lengths: { ipv4: [], ipv6: [64] }, allow: [] }), {
      kind: 'in_kernel',
    });
  });
  after(async () => {
    await kernel.enforcer.stop();
    pair.remove();
  });

  const apply = async (...changes: Parameters<Enforcement['apply']>): Promise<void> => {
    kernel.apply(...changes);
    assert.deepEqual(await kernel.enforcer.settled(), { kind: 'in_kernel' });
  };
  const reach = (from: string, port = smtp, timeoutMs = 5_000): Promise<Reached> =>
    world.connect({ from, port, host: from.includes(':') ? '2001:db8::1' : '192.0.2.1', timeoutMs });
  /** No answer to the first SYN. */
  const isSilent = async (from: string, port = smtp): Promise<void> =>
    assert.equal(await reach(from, port, 250), 'silent', `${from} to ${port}`);
  const isOpen = async (from: string, port = smtp): Promise<void> => assert.equal(await reach(from, port), 'open', `${from} to ${port}`);
  const untilOpen = async (from: string, port = smtp): Promise<void> => {
    while ((await reach(from, port, 250)) !== 'open');
  };

  for (const [family, banned, other] of [
    ['IPv4', '198.51.100.1', '198.51.100.2'],
    ['IPv6', '2001:db8:100::1', '2001:db8:100::2'],
  ] as const) {
    test(`a ban of one ${family} address shuts it out of all ports and nobody else, until it is lifted`, async () => {
      await isOpen(banned);
      await apply(put(banned));
      await isSilent(banned);
      await isSilent(banned, web);
      await isOpen(other);
      await apply(remove(banned));
      await isOpen(banned);
    });
  }

  for (const [network, inside, alsoInside, outside] of [
    ['2001:db8:100:7::/64', '2001:db8:100:7::1', '2001:db8:100:7:ffff:ffff:ffff:ffff', '2001:db8:100:8::1'],
    ['203.0.113.0/25', '203.0.113.1', '203.0.113.127', '203.0.113.128'],
    ['2001:db8:111:8000::/49', '2001:db8:111:8000::1', '2001:db8:111:ffff::1', '2001:db8:111:7fff::1'],
  ] as const) {
    test(`a ban of ${network} shuts out the whole network, and the address next to it stays`, async () => {
      await apply(put(network, { ports: mail }));
      await isSilent(inside);
      await isSilent(alsoInside);
      await isOpen(outside);
      await apply(remove(network, mail));
      await isOpen(inside);
    });
  }

  test('a ban on a list of ports leaves the others open', async () => {
    await apply(put('198.51.100.3', { ports: mail }));
    await isSilent('198.51.100.3', smtp);
    await isOpen('198.51.100.3', web);
  });

  test('bans on different lists of ports end independently', async () => {
    await apply(put('198.51.100.4', { ports: mail }), put('198.51.100.4'));
    await isSilent('198.51.100.4', web);
    await apply(remove('198.51.100.4'));
    await isOpen('198.51.100.4', web);
    await isSilent('198.51.100.4', smtp);
  });

  test('a ban on UDP and TCP covers both', async () => {
    await apply(put('198.51.100.5', { ports: { kind: 'list', protocol: 'both', ports: [smtp, web] } }));
    await isSilent('198.51.100.5', smtp);
    await isSilent('198.51.100.5', web);
  });

  test('our own connections to a banned host go on, and new ones can be made', async () => {
    const handle = await server.hold({ host: '198.51.100.6', port: smtp });
    await apply(put('198.51.100.6'), put('2001:db8:100:6::/64'));
    await isSilent('198.51.100.6');
    assert.equal(await server.say(handle), 'echoed');
    assert.equal(await server.connect({ host: '198.51.100.6', port: smtp }), 'open');
    assert.equal(await server.connect({ host: '2001:db8:100:6::1', port: smtp }), 'open');
  });

  test('a ban of our own /64 leaves neighbour discovery alive', async () => {
    await apply(put('2001:db8::/64'));
    await isSilent('2001:db8::2');
    pair.host.run('ip', '-6', 'neigh', 'flush', 'dev', 'eth0');
    assert.equal(await server.connect({ host: '2001:db8::2', port: smtp }), 'open');
    await apply(remove('2001:db8::/64'));
    pair.host.run('ip', '-6', 'neigh', 'flush', 'dev', 'eth0');
    await isOpen('2001:db8::2');
  });

  test('an open session of a banned host falls silent', async () => {
    const handle = await world.hold({ host: '192.0.2.1', port: smtp, from: '198.51.100.8' });
    assert.equal(await world.say(handle), 'echoed');
    await apply(put('198.51.100.8', { ports: mail }));
    assert.equal(await world.say(handle, 250), 'silent');
  });

  test('the timeout opens again, without anybody asking', async () => {
    await apply(put('198.51.100.9', { seconds: 1 }));
    await untilOpen('198.51.100.9');
  });

  test('a renewal prolongs, shortens, and makes permanent', async () => {
    await apply(put('198.51.100.10', { seconds: 100 }));
    await apply(put('198.51.100.10', { seconds: 1_000, mayExist: true }));
    assert.equal(timeoutOf(pair, '198.51.100.10'), 1_000);
    await apply(put('198.51.100.10', { seconds: Infinity, mayExist: true }));
    assert.equal(timeoutOf(pair, '198.51.100.10'), 'never');
    await isSilent('198.51.100.10');
    await apply(put('198.51.100.10', { seconds: 1, mayExist: true }));
    await untilOpen('198.51.100.10');
  });

  test('a ban whose time is over already is not written, and ends one that is there', async () => {
    await apply(put('198.51.100.11'));
    await isSilent('198.51.100.11');
    await apply(put('198.51.100.11', { seconds: -1, mayExist: true }), put('198.51.100.12', { seconds: -1 }));
    await isOpen('198.51.100.11');
    await isOpen('198.51.100.12');
  });

  test('who is on the allow list is never dropped, whatever is banned', async () => {
    await apply(put('203.0.113.200'), put('203.0.113.201'), put('2001:db8:105::/64', { ports: mail }));
    await isSilent('203.0.113.200');
    kernel.enforcer.setAllow([prefix('203.0.113.200/32'), prefix('2001:db8:105::/48')]);
    await untilOpen('203.0.113.200');
    await isOpen('2001:db8:105::9');
    await isSilent('203.0.113.201');
    kernel.enforcer.setAllow([]);
    while ((await reach('203.0.113.200', smtp, 250)) === 'open');
    await isSilent('2001:db8:105::9');
  });

  test('dropped packets are counted by set', async () => {
    await apply(put('203.0.113.224/28', { ports: mail }));
    await isSilent('203.0.113.230');
    while ((kernel.enforcer.packets().get('tcp_25_465_587_m4_28')?.packets ?? 0) === 0) await isSilent('203.0.113.230');
    assert.ok((kernel.enforcer.packets().get('tcp_25_465_587_m4_28')?.bytes ?? 0) >= 40);
  });

  test('the kernel says in which sets an address is', async () => {
    await apply(put('203.0.113.240'), put('203.0.113.240/30', { ports: mail }));
    const address = parseAddress('203.0.113.241');
    assert.ok(address);
    assert.deepEqual(await kernel.enforcer.lookUp(address), {
      kind: 'found',
      elements: [{ set: 'tcp_25_465_587_m4_30', element: '203.0.113.240' }],
    });
    const neighbour = parseAddress('203.0.113.244');
    assert.ok(neighbour);
    assert.deepEqual(await kernel.enforcer.lookUp(neighbour), { kind: 'found', elements: [] });
  });
});

/** Seconds that an element of `all_ports_h4` was given. */
function timeoutOf(pair: NetworkPair, address: string): number | 'never' {
  const listed = pair.host.run('nft', '-j', 'list', 'set', 'inet', 'sluice', 'all_ports_h4');
  const { nftables } = JSON.parse(listed) as { nftables: { set?: { elem: (string | { elem: { val: string; timeout: number } })[] } }[] };
  for (const element of nftables.flatMap(({ set }) => set?.elem ?? [])) {
    if (element === address) return 'never';
    if (typeof element !== 'string' && element.elem.val === address) return element.elem.timeout;
  }
  throw new Error(`${address} is not in the set`);
}
