import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parseElements } from '../../src/enforce/kernel-listing.ts';
import { groupName, type Layout, layoutOf, placeOf, portRanges } from '../../src/enforce/layout.ts';
import { type Edit, elementScript, ensureScript, maxTimeoutS, timeoutSeconds } from '../../src/enforce/nft-script.ts';
import { parsePrefix } from '../../src/model/address.ts';
import type { Ports } from '../../src/model/filter.ts';
import { without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';
import { all, mail, prefix } from './enforcement.ts';

const web: Ports = { kind: 'list', protocol: 'both', ports: [443, 80, 8_001, 8_000, 8_002, 80] };
const layout: Layout = layoutOf([all, mail, web], { ipv4: [24], ipv6: [64] }, [prefix('192.0.2.0/24'), prefix('2001:db8::1/128')]);

describe('names of groups', () => {
  const cases: readonly [ports: Ports, name: string][] = [
    [all, 'all_ports'],
    [mail, 'tcp_25_465_587'],
    [{ kind: 'list', protocol: 'tcp', ports: [587, 25, 465, 25] }, 'tcp_25_465_587'],
    [web, 'both_80_443_8000-8002'],
    [{ kind: 'list', protocol: 'udp', ports: [53] }, 'udp_53'],
  ];
  for (const [ports, name] of cases) test(name, () => assert.equal(groupName(ports), name));

  test('a long list has a short name, which depends on the ports and not on their order', () => {
    const odd = Array.from({ length: 400 }, (_, index) => index * 2 + 1);
    const name = groupName({ kind: 'list', protocol: 'tcp', ports: odd });
    assert.match(name, /^tcp_x[0-9a-f]{12}$/);
    assert.equal(groupName({ kind: 'list', protocol: 'tcp', ports: odd.toReversed() }), name);
    assert.notEqual(groupName({ kind: 'list', protocol: 'tcp', ports: odd.slice(1) }), name);
  });

  test('neighbouring ports are one range', () => {
    assert.deepEqual(portRanges([3, 1, 2, 7, 65_535, 65_534, 9]), ['1-3', '7', '9', '65534-65535']);
  });
});

describe('the ensure script', () => {
  const lines = ensureScript(layout, 1_000).split('\n');

  test('lets loopback and the allow list pass before anything is dropped, in both base chains', () => {
    for (const chain of ['by_port', 'all_ports']) {
      const rules = lines
        .filter((line) => line.startsWith(`add rule inet sluice ${chain} `))
        .map((line) => line.split(' ').slice(5).join(' '));
      assert.deepEqual(rules.slice(0, 3), ['iif lo accept', 'ip saddr & 255.255.255.0 @allow_m4_24 accept', 'ip6 saddr @allow_h6 accept']);
      assert.ok(rules.slice(3).every((rule) => !rule.includes('@allow')));
    }
  });

  test('stands before connection tracking and DNAT, and behind the tracking for all ports', () => {
    assert.ok(lines.includes('add chain inet sluice by_port { type filter hook prerouting priority -310; policy accept; }'));
    assert.ok(lines.includes('add chain inet sluice all_ports { type filter hook prerouting priority -190; policy accept; }'));
  });

  test('never drops ICMPv6 or answers to ourselves where all ports are banned', () => {
    const rules = lines.filter((line) => line.startsWith('add rule inet sluice all_ports '));
    const firstDrop = rules.findIndex((rule) => rule.endsWith(' drop'));
    for (const rule of ['meta l4proto icmpv6 accept', 'ct direction reply accept'])
      assert.ok(rules.findIndex((line) => line.endsWith(rule)) < firstDrop);
  });

  test('looks up networks by a mask, and counts for each set', () => {
    assert.ok(
      lines.includes(
        'add rule inet sluice tcp_25_465_587 ip saddr & 255.255.255.0 @tcp_25_465_587_m4_24 counter name tcp_25_465_587_m4_24 drop',
      ),
    );
    assert.ok(
      lines.includes(
        'add rule inet sluice tcp_25_465_587 ip6 saddr & ffff:ffff:ffff:ffff:0:0:0:0 @tcp_25_465_587_m6_64 counter name tcp_25_465_587_m6_64 drop',
      ),
    );
  });

  test('a list of ports for both protocols is one jump', () => {
    assert.ok(
      lines.includes('add rule inet sluice by_port meta l4proto { tcp, udp } th dport { 80, 443, 8000-8002 } jump both_80_443_8000-8002'),
    );
  });

  test('never makes an interval set: nft would read it for every ban', () => {
    assert.doesNotMatch(lines.join('\n'), /interval/);
  });
});

describe('the element script', () => {
  const edits: readonly Edit[] = [
    { kind: 'put', set: 'a', address: '192.0.2.1', timeoutS: 60, renew: false },
    { kind: 'remove', set: 'a', address: '192.0.2.2' },
    { kind: 'put', set: 'b', address: '2001:db8::1', timeoutS: undefined, renew: true },
  ];

  test('is one command for each set; a renewal is add, delete, add; a removal is add, delete', () => {
    assert.deepEqual(elementScript(edits).text.split('\n'), [
      'add element inet sluice a {',
      '192.0.2.2,',
      '}',
      'delete element inet sluice a {',
      '192.0.2.2,',
      '}',
      'add element inet sluice a {',
      '192.0.2.1 timeout 60s,',
      '}',
      'add element inet sluice b {',
      '2001:db8::1,',
      '}',
      'delete element inet sluice b {',
      '2001:db8::1,',
      '}',
      'add element inet sluice b {',
      '2001:db8::1,',
      '}',
      '',
    ]);
  });

  test('knows which edit stands in a line', () => {
    const { text, editAt } = elementScript(edits);
    for (const [index, line] of text.split('\n').entries()) {
      const at = editAt(index + 1);
      const address = at === undefined ? undefined : edits[at]?.address;
      assert.equal(line.includes('.') || line.includes('::') ? line.split(/[ ,]/)[0] : undefined, address);
    }
  });
});

describe('timeouts', () => {
  const cases: readonly [untilMs: number, seconds: number | undefined, because: string][] = [
    [10_000, 9, 'whole seconds stay'],
    [10_001, 10, 'rounded up: the kernel never opens before we say so'],
    [1_000, 0, 'over now'],
    [500, 0, 'over'],
    [Infinity, undefined, 'permanent'],
    [Number.MAX_SAFE_INTEGER, maxTimeoutS, 'longer than anybody waits'],
  ];
  for (const [untilMs, seconds, because] of cases)
    test(`${untilMs} at 1,000: ${because}`, () => assert.equal(timeoutSeconds(untilMs, 1_000), seconds));
});

describe('long timeouts', () => {
  for (const [timeoutS, text] of [
    [99_999_999, '99999999s'],
    [100_000_000, '1158d'],
    [maxTimeoutS, '36500d'],
  ] as const)
    test(`${timeoutS} s are ${text}: nft takes numbers of eight digits`, () => {
      const { text: script } = elementScript([{ kind: 'put', set: 'a', address: '192.0.2.1', timeoutS, renew: false }]);
      assert.ok(script.includes(`192.0.2.1 timeout ${text},`));
    });
});

describe('the real nft', { skip: without('root', 'ip', 'nft') }, () => {
  test('takes the ensure script again and again, for layouts of every kind, and keeps what the sets hold', (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const load = (script: string): void => void pair.host.run('sh', '-c', `${JSON.stringify('/usr/sbin/nft')} -f - <<'END'\n${script}END`);
    const big: Ports = { kind: 'list', protocol: 'tcp', ports: Array.from({ length: 300 }, (_, index) => 1 + index * 3) };
    const every = { ipv4: Array.from({ length: 33 }, (_, index) => index), ipv6: [0, 1, 32, 48, 63, 64, 65, 112, 127, 128] };
    const everything = layoutOf([all, mail, web, big], every, [
      prefix('0.0.0.0/0'),
      prefix('10.0.0.0/8'),
      prefix('10.1.0.0/16'),
      prefix('::1/128'),
      prefix('2000::/3'),
    ]);
    load(ensureScript(everything, 1_000));
    load(elementScript([{ kind: 'put', set: 'all_ports_h4', address: '198.51.100.1', timeoutS: maxTimeoutS, renew: false }]).text);
    load(ensureScript(everything, 1_000));
    load(ensureScript(layoutOf([all], { ipv4: [], ipv6: [] }, []), 1_000));
    load(ensureScript(layoutOf([], { ipv4: [], ipv6: [] }, []), 1_000));
    const held = parseElements(pair.host.run('nft', '-j', 'list', 'set', 'inet', 'sluice', 'all_ports_h4'));
    assert.deepEqual([...(held?.keys() ?? [])], ['198.51.100.1']);
  });

  test('reads every address and network as we mean it', (t) => {
    const pair = createNetworkPair();
    t.after(pair.remove);
    const subjects = fc
      .sample(fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 128 })), { numRuns: 3_000, seed: 1 })
      .flatMap(([address, length]) => {
        const plain = address.includes('%') ? [] : [address];
        return plain.map((text) => (text.includes(':') ? `${text}/${length}` : `${text}/${length % 33}`));
      })
      .filter((text) => parsePrefix(text) !== undefined);
    const edits = new Map<string, Edit>();
    const lengths = { ipv4: Array.from({ length: 33 }, (_, length) => length), ipv6: Array.from({ length: 129 }, (_, length) => length) };
    for (const subject of subjects) {
      const place = placeOf(all, prefix(subject));
      edits.set(`${place.set} ${place.address}`, { kind: 'put', set: place.set, address: place.address, timeoutS: 3_600, renew: false });
    }
    const script = `${ensureScript(layoutOf([all], lengths, []), 10_000)}${elementScript([...edits.values()]).text}`;
    pair.host.run('sh', '-c', `/usr/sbin/nft -f - <<'END'\n${script}END`);
    const found = [...new Set([...edits.values()].map(({ set }) => set))].flatMap((set) => {
      const held = parseElements(pair.host.run('nft', '-j', 'list', 'set', 'inet', 'sluice', set));
      return [...(held?.keys() ?? [])].map((address) => `${set} ${address}`);
    });
    assert.deepEqual(new Set(found), new Set(edits.keys()));
  });
});
