import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { without } from '../environment.ts';
import { parseElements } from '../../src/enforce/kernel-listing.ts';
import { createNetworkPair, type NetworkPair, type Resident } from '../support/netns.ts';
import { all, enforceIn, type Enforcement, mail, prefix, put, remove } from './enforcement.ts';

const need = without('root', 'ip', 'nft');
const wanted = { lists: [all, mail], lengths: { ipv4: [24], ipv6: [64] }, allow: [prefix('192.0.2.9/32')] };
const inKernel = { kind: 'in_kernel' };

/** Distinct single addresses: 10.0.0.0/8 never leaves the namespace. */
function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
}

function elementsOf(pair: NetworkPair, set: string): number {
  return parseElements(pair.host.run('nft', '-j', 'list', 'set', 'inet', 'sluice', set))?.size ?? 0;
}

const withPair = (work: (pair: NetworkPair) => Promise<void>) => async (): Promise<void> => {
  const pair = createNetworkPair();
  try {
    await work(pair);
  } finally {
    pair.remove();
  }
};

describe('what others do to the table is mended from our own state', { skip: need }, () => {
  let pair: NetworkPair;
  let kernel: Enforcement;
  let world: Resident;

  before(async () => {
    pair = createNetworkPair();
    kernel = enforceIn(pair, pair.host);
    const server = await pair.host.resident();
    world = await pair.world.resident();
    await server.listen(25);
    assert.deepEqual(await kernel.enforcer.start(wanted), inKernel);
    kernel.apply(
      put('198.51.100.1'),
      put('2001:db8:100:1::/64', { ports: mail }),
      put('203.0.113.0/24', { ports: mail, seconds: Infinity }),
    );
    assert.deepEqual(await kernel.enforcer.settled(), inKernel);
  });
  after(async () => {
    await kernel.enforcer.stop();
    pair.remove();
  });
  beforeEach(() => {
    kernel.said.drift.length = 0;
  });

  const isBanned = async (): Promise<void> => {
    const [a, b, c, allowed] = await Promise.all([
      world.connect({ host: '192.0.2.1', port: 25, from: '198.51.100.1', timeoutMs: 250 }),
      world.connect({ host: '2001:db8::1', port: 25, from: '2001:db8:100:1::7', timeoutMs: 250 }),
      world.connect({ host: '192.0.2.1', port: 25, from: '203.0.113.77', timeoutMs: 250 }),
      world.connect({ host: '192.0.2.1', port: 25, from: '198.51.100.2' }),
    ]);
    assert.deepEqual([a, b, c, allowed], ['silent', 'silent', 'silent', 'open']);
  };

  const faults: readonly [what: string, commands: readonly string[], drift: RegExp][] = [
    ['nft flush ruleset', ['flush ruleset'], /missing table/],
    ['the ruleset replaced by a file', ['flush ruleset; add table inet filter'], /missing table/],
    ['nft flush table: the rules are gone, the sets stay', ['flush table inet sluice'], /missing rule/],
    ['a chain emptied', ['flush chain inet sluice tcp_25_465_587'], /missing rule/],
    ['the chain for all ports deleted', ['delete chain inet sluice all_ports'], /missing chain/],
    [
      'a set deleted, with the rule that uses it',
      ['flush chain inet sluice tcp_25_465_587', 'delete set inet sluice tcp_25_465_587_m4_24'],
      /missing set/,
    ],
    [
      'a set deleted and made again, so that it is empty and all looks well',
      [
        'flush chain inet sluice tcp_25_465_587; delete set inet sluice tcp_25_465_587_m4_24; add set inet sluice tcp_25_465_587_m4_24 { type ipv4_addr; flags timeout; size 1000000; };' +
          [
            'ip saddr @tcp_25_465_587_h4',
            'ip saddr & 255.255.255.0 @tcp_25_465_587_m4_24',
            'ip6 saddr @tcp_25_465_587_h6',
            'ip6 saddr & ffff:ffff:ffff:ffff:: @tcp_25_465_587_m6_64',
          ]
            .map((rule) => `add rule inet sluice tcp_25_465_587 ${rule} drop`)
            .join('; '),
      ],
      /missing element/,
    ],
    ['a rule that lets everybody in', ['insert rule inet sluice by_port accept'], /unexpected rule/],
    ['a stranger in our table', ['add set inet sluice tcp_1_h4 { type ipv4_addr; }'], /unexpected set/],
  ];
  for (const [what, commands, expected] of faults) {
    test(what, async () => {
      const healed = kernel.next('restored');
      for (const command of commands) pair.host.run('nft', command);
      await healed;
      assert.match(
        kernel.said.drift
          .flat(2)
          .map(({ kind, what }) => `${kind} ${what}`)
          .join(),
        expected,
      );
      await isBanned();
      assert.match(pair.host.run('nft', 'list', 'set', 'inet', 'sluice', 'allow_h4'), /192\.0\.2\.9/);
    });
  }

  test('a ban that is decided while the table is gone is in the kernel when it is said to be', async () => {
    pair.host.run('nft', 'flush ruleset');
    kernel.apply(put('198.51.100.3'));
    assert.deepEqual(await kernel.enforcer.settled(), inKernel);
    assert.equal(await world.connect({ host: '192.0.2.1', port: 25, from: '198.51.100.3', timeoutMs: 250 }), 'silent');
    await isBanned();
  });

  test('rules and tables of others are left alone', async () => {
    const theirs =
      'table ip other { chain input { type filter hook input priority 0; policy accept; ip saddr 198.51.100.200 counter packets 0 bytes 0 drop; }; }';
    pair.host.run('nft', theirs);
    const before = pair.host.run('nft', 'list', 'table', 'ip', 'other');
    kernel.apply(put('198.51.100.4'), remove('198.51.100.4'));
    await kernel.enforcer.configure(wanted);
    assert.equal(pair.host.run('nft', 'list', 'table', 'ip', 'other'), before);
  });
});

describe('a start', { skip: need }, () => {
  test('makes the table at once, and writes the bans when all are known, of whatever length they are', async () => {
    const pair = createNetworkPair();
    const kernel = enforceIn(pair, pair.host);
    const { promise: complete, resolve: tell } = Promise.withResolvers<void>();
    try {
      const started = kernel.enforcer.start(wanted, complete);
      await kernel.next('transaction');
      kernel.state.set('1', put('198.51.100.1'));
      kernel.state.set('2', put('203.0.113.0/25'));
      assert.doesNotMatch(pair.host.run('nft', 'list', 'table', 'inet', 'sluice'), /198\.51\.100\.1/);
      // What is decided meanwhile waits as well.
      kernel.apply(put('198.51.100.3'));
      tell();
      assert.deepEqual(await started, inKernel);
      const table = pair.host.run('nft', 'list', 'table', 'inet', 'sluice');
      for (const element of [/198\.51\.100\.1 /, /203\.0\.113\.0 /, /198\.51\.100\.3 /]) assert.match(table, element);
      assert.deepEqual(
        kernel.said.restored.map(([elements]) => elements),
        [2],
      );
    } finally {
      await kernel.enforcer.stop();
      pair.remove();
    }
  });
});

describe('the audit, element by element', { skip: need }, () => {
  test('puts back what somebody deleted, removes what nobody decided, and mends times', async () => {
    const pair = createNetworkPair();
    const kernel = enforceIn(pair, pair.host, { auditMs: 50 });
    try {
      await kernel.enforcer.start(wanted);
      kernel.apply(put('198.51.100.1'), put('198.51.100.2'), put('198.51.100.3', { seconds: Infinity }));
      await kernel.enforcer.settled();
      // The audit that follows a start leaves alone what was decided while it read: wait for one that sees everything.
      const sawStranger = kernel.next('drift');
      pair.host.run('nft', 'add element inet sluice all_ports_h4 { 198.51.100.65 }');
      await sawStranger;
      await kernel.enforcer.settled();
      const drift = kernel.next('drift');
      pair.host.run(
        'nft',
        'delete element inet sluice all_ports_h4 { 198.51.100.1 }; add element inet sluice all_ports_h4 { 198.51.100.66 }; add element inet sluice all_ports_h4 { 198.51.100.3 timeout 1h }',
      );
      const [found] = await drift;
      assert.deepEqual(found, [
        { kind: 'missing', what: 'element', name: 'all_ports_h4', count: 2 },
        { kind: 'unexpected', what: 'element', name: 'all_ports_h4', count: 1 },
      ]);
      await kernel.enforcer.settled();
      const listed = pair.host.run('nft', 'list', 'set', 'inet', 'sluice', 'all_ports_h4');
      assert.match(listed, /198\.51\.100\.1 timeout/);
      assert.match(listed, /198\.51\.100\.3[,} ]+(?!timeout)/);
      assert.doesNotMatch(listed, /198\.51\.100\.66/);
    } finally {
      await kernel.enforcer.stop();
      pair.remove();
    }
  });

  test('finds nothing to mend while bans come and go', async () => {
    const pair = createNetworkPair();
    const kernel = enforceIn(pair, pair.host, { auditMs: 1 });
    try {
      await kernel.enforcer.start(wanted);
      // nft prints the last two in another spelling than ours.
      kernel.apply(put('::80:0'), put('::1:0/112', { ports: mail }));
      const subjects = addresses(300);
      for (const subject of subjects) {
        kernel.apply(put(subject, { seconds: 60 }));
        if (subject.endsWith('0')) await kernel.enforcer.settled();
        if (subject.endsWith('5')) kernel.apply(remove(subject));
      }
      await kernel.enforcer.settled();
      assert.deepEqual(kernel.said.drift, []);
      assert.equal(elementsOf(pair, 'all_ports_h4'), kernel.state.size - 2);
    } finally {
      await kernel.enforcer.stop();
      pair.remove();
    }
  });
});

describe('restarts and reloads', { skip: need }, () => {
  test(
    'stopping leaves bans in force; the next start keeps them, and writes what it knows',
    withPair(async (pair) => {
      const first = enforceIn(pair, pair.host);
      await first.enforcer.start(wanted);
      first.apply(put('198.51.100.1'), put('198.51.100.2', { seconds: Infinity }));
      await first.enforcer.stop();
      assert.equal(elementsOf(pair, 'all_ports_h4'), 2);

      const second = enforceIn(pair, pair.host, { auditMs: 3_600_000 });
      for (const change of [put('198.51.100.1'), put('198.51.100.3')]) second.state.set(change.subject, change);
      const start = second.enforcer.start(wanted);
      assert.deepEqual(await start, inKernel);
      const listed = pair.host.run('nft', 'list', 'set', 'inet', 'sluice', 'all_ports_h4');
      assert.match(listed, /198\.51\.100\.1 timeout/);
      assert.match(listed, /198\.51\.100\.3 timeout/);
      // What the store does not know is ended, or it would stay for ever: by the audit that follows a start.
      while (elementsOf(pair, 'all_ports_h4') !== 2) await new Promise(setImmediate);
      await second.enforcer.stop();
    }),
  );

  test(
    'a reload removes the sets of a list of ports that no jail has any more, and keeps the contents of the others',
    withPair(async (pair) => {
      const kernel = enforceIn(pair, pair.host);
      await kernel.enforcer.start(wanted);
      kernel.apply(put('198.51.100.1'), put('198.51.100.2', { ports: mail }), put('198.51.100.0/28'));
      await kernel.enforcer.settled();
      const before = pair.host.run('nft', 'list', 'set', 'inet', 'sluice', 'all_ports_h4').match(/timeout \S+/)?.[0];
      kernel.state.delete(`${JSON.stringify(mail)} 198.51.100.2/32`);
      assert.deepEqual(await kernel.enforcer.configure({ ...wanted, lists: [all] }), inKernel);
      const listed = pair.host.run('nft', 'list', 'table', 'inet', 'sluice');
      assert.doesNotMatch(listed, /tcp_25/);
      assert.match(listed, /all_ports_m4_28/, 'the length of a ban by hand, which no jail names');
      assert.equal(pair.host.run('nft', 'list', 'set', 'inet', 'sluice', 'all_ports_h4').match(/timeout \S+/)?.[0], before);
      kernel.apply(remove('198.51.100.2', mail));
      assert.deepEqual(await kernel.enforcer.settled(), inKernel, 'a removal from a set that is gone is done');
      await kernel.enforcer.stop();
    }),
  );

  test(
    'a table of another form is made anew, with all bans',
    withPair(async (pair) => {
      pair.host.run(
        'nft',
        'add table inet sluice; add chain inet sluice by_port { type filter hook input priority 5; }; add set inet sluice all_ports_h4 { type ipv6_addr; flags interval; }',
      );
      const kernel = enforceIn(pair, pair.host);
      for (const subject of addresses(20)) kernel.state.set(subject, put(subject));
      assert.deepEqual(await kernel.enforcer.start(wanted), inKernel);
      assert.equal(elementsOf(pair, 'all_ports_h4'), 20);
      await kernel.enforcer.stop();
    }),
  );

  for (const count of [10_000, 100_000]) {
    test(
      `${count} bans are restored at a start, and again after a flush`,
      withPair(async (pair) => {
        const kernel = enforceIn(pair, pair.host, { auditMs: 3_600_000 });
        for (const subject of addresses(count)) kernel.state.set(subject, put(subject));
        assert.deepEqual(await kernel.enforcer.start(wanted), inKernel);
        assert.equal(kernel.said.restored.at(-1)?.[0], count);
        const healed = kernel.next('restored');
        pair.host.run('nft', 'flush ruleset');
        assert.equal((await healed)[0], count);
        // A listing may lack elements while the kernel resizes the set, and the test ends in a timeout if they are not there.
        while (elementsOf(pair, 'all_ports_h4') !== count) await new Promise(setImmediate);
        await kernel.enforcer.stop();
      }),
    );
  }

  test(
    'a ban lifted while 100,000 are being restored stays lifted',
    withPair(async (pair) => {
      const kernel = enforceIn(pair, pair.host, { batchElements: 1_000 });
      const subjects = addresses(20_000);
      for (const subject of subjects) kernel.apply(put(subject));
      void kernel.enforcer.start(wanted);
      await kernel.next('transaction');
      kernel.apply(remove('10.0.78.31'), put('198.51.100.1'));
      assert.deepEqual(await kernel.enforcer.settled(), inKernel);
      assert.equal(elementsOf(pair, 'all_ports_h4'), 20_000);
      await kernel.enforcer.stop();
    }),
  );
});
