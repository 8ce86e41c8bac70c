import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parseElements } from '../../src/enforce/kernel-listing.ts';
import type { Prefix } from '../../src/model/address.ts';
import { program, without } from '../environment.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';
import { all, enforceIn, type Enforcement, prefix, put, remove } from './enforcement.ts';

const need = without('root', 'ip', 'nft');
const wanted = { lists: [all], lengths: { ipv4: [], ipv6: [] }, allow: [prefix('192.0.2.9/32')] };
const inKernel = { kind: 'in_kernel' };

function newPair(t: TestContext): NetworkPair {
  const pair = createNetworkPair();
  t.after(pair.remove);
  return pair;
}

function elements(pair: NetworkPair): string[] {
  return [...(parseElements(pair.host.run('nft', '-j', 'list', 'set', 'inet', 'sluice', 'all_ports_h4'))?.keys() ?? [])].toSorted();
}

/** An nft that misbehaves while the file `fault` is there: the shell line in it is run instead. */
function faultyNft(pair: NetworkPair): { readonly path: string; readonly breakWith: (line: string) => void; readonly mend: () => void } {
  const path = join(pair.directory, 'faulty-nft');
  const fault = join(pair.directory, 'fault');
  const real = `${program('ip')} netns exec ${pair.host.name}`;
  writeFileSync(path, `#!/bin/sh\nif [ -e ${fault} ]; then . ${fault}; fi\nexec ${real} ${program('nft')} "$@"\n`, { mode: 0o755 });
  return { path, breakWith: (line) => writeFileSync(fault, `${line}\n`), mend: () => rmSync(fault) };
}

/** A listing may lack elements while the kernel resizes the set: look again, rather than wait for an event that has come already. */
async function aTurn(): Promise<void> {
  await new Promise(setImmediate);
}

/** Waits for the hook to be called again. */
async function committed(kernel: Enforcement): Promise<void> {
  await kernel.next('committed');
}

describe('one element that the kernel does not take', { skip: need }, () => {
  for (const [what, subject, why] of [
    ['not an address', '198.51.100.999/32', /syntax error|resolve/],
    ['a name, which nft would ask the DNS for', 'mail.invalid/32', /resolve/],
  ] as const) {
    test(`${what}: it is reported, and the rest of the batch is in the kernel`, async (t) => {
      const pair = newPair(t);
      const kernel = enforceIn(pair, pair.host);
      await kernel.enforcer.start(wanted);
      const changes = Array.from({ length: 500 }, (_, index) => put(`10.0.${index >> 8}.${index & 255}`));
      // Only a mistake of ours could make such a prefix: parsePrefix does not.
      kernel.apply(...changes.slice(0, 250), { ...put('198.51.100.1'), subject: subject as Prefix }, ...changes.slice(250));
      const settled = await kernel.enforcer.settled();
      assert.equal(settled.kind, 'not_yet');
      assert.equal(elements(pair).length, 500);
      assert.deepEqual(
        kernel.said.refused.map(([change]) => change.subject),
        [subject],
      );
      assert.match(kernel.said.refused[0]?.[1] ?? '', why);
      assert.equal(kernel.said.committed.flatMap(([done]) => done).length, 500);
    });
  }
});

describe('a transaction that fails while the next of a start is prepared already', { skip: need }, () => {
  test('all is said to be in the kernel when all is', async (t) => {
    const pair = newPair(t);
    const { path, breakWith } = faultyNft(pair);
    const kernel = enforceIn(pair, pair.host, { nft: path, batchElements: 5 });
    for (let host = 0; host < 10; host++) kernel.state.set(`${host}`, put(`198.51.100.${host}`));
    const fault = join(pair.directory, 'fault');
    // Once, for the first that has elements.
    breakWith(
      `if grep -q '^add element inet sluice all_ports' /proc/$$/fd/0; then rm ${fault}; echo 'Error: Could not process rule: Device or resource busy' >&2; exit 1; fi`,
    );
    assert.deepEqual(await kernel.enforcer.start(wanted), { kind: 'in_kernel' });
    assert.equal(elements(pair).length, 10);
    assert.deepEqual(
      kernel.said.restored.map(([count]) => count),
      [10],
    );
    assert.ok(kernel.said.transaction.some(([result]) => result === 'error'));
  });
});

describe('a set of 100 elements', { skip: need }, () => {
  const hundred = Array.from({ length: 100 }, (_, index) => `198.51.100.${index}`);

  test('takes 100, keeps the rest until there is room, and says so', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host, { setSize: 100 });
    await kernel.enforcer.start(wanted);
    kernel.apply(...hundred.map((subject) => put(subject)), put('203.0.113.1'), put('203.0.113.2'));
    const settled = await kernel.enforcer.settled();
    assert.ok(settled.kind === 'not_yet' && settled.why.includes('all_ports_h4'), 'who asked is told');
    assert.deepEqual(elements(pair), hundred.toSorted());
    assert.deepEqual(kernel.said.full[0], ['all_ports_h4', 2]);

    // What comes now waits too, without another attempt for each.
    const attempts = kernel.said.transaction.length;
    kernel.apply(put('203.0.113.3'));
    assert.equal((await kernel.enforcer.settled()).kind, 'not_yet');
    assert.equal(kernel.said.transaction.length, attempts);

    kernel.apply(remove('198.51.100.7'), remove('198.51.100.8'), remove('198.51.100.9'));
    while (!elements(pair).includes('203.0.113.3')) await aTurn();
    assert.equal(elements(pair).length, 100);
    assert.ok(['203.0.113.1', '203.0.113.2', '203.0.113.3'].every((address) => elements(pair).includes(address)));
  });

  test('a reload is answered while it is full, also when somebody flushes it, and what fits is there again', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host, { setSize: 100 });
    await kernel.enforcer.start(wanted);
    kernel.apply(...hundred.map((subject) => put(subject)), put('203.0.113.1'), put('203.0.113.2'));
    await kernel.enforcer.settled();
    assert.equal((await kernel.enforcer.configure(wanted)).kind, 'in_kernel', 'nothing is lost, so nothing is restored');
    pair.host.run('nft', 'flush', 'ruleset');
    const answered = await kernel.enforcer.configure(wanted);
    assert.ok(answered.kind === 'not_yet' && answered.why.includes('full'));
    assert.equal(elements(pair).length, 100);
  });

  test('an unban of what is not there is done, although the set is full', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host, { setSize: 100 });
    await kernel.enforcer.start(wanted);
    kernel.apply(...hundred.map((subject) => put(subject)));
    await kernel.enforcer.settled();
    kernel.apply(remove('203.0.113.1'), remove('203.0.113.2'), put('2001:db8:100::1'));
    assert.deepEqual(await kernel.enforcer.settled(), inKernel);
    assert.equal(elements(pair).length, 100);
  });

  test('has room again when elements run out', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host, { setSize: 100 });
    await kernel.enforcer.start(wanted);
    kernel.apply(...hundred.map((subject) => put(subject, { seconds: 1 })), put('203.0.113.1'));
    await kernel.enforcer.settled();
    while (!elements(pair).includes('203.0.113.1')) await aTurn();
  });

  test('a larger size is taken up at the next start, with what the set holds', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host, { setSize: 100 });
    await kernel.enforcer.start(wanted);
    kernel.apply(...hundred.map((subject) => put(subject)));
    await kernel.enforcer.settled();
    await kernel.enforcer.stop();
    const larger = enforceIn(pair, pair.host, { setSize: 200 });
    for (const [key, change] of kernel.state) larger.state.set(key, change);
    assert.deepEqual(await larger.enforcer.start(wanted), inKernel);
    larger.apply(put('203.0.113.1'));
    assert.deepEqual(await larger.enforcer.settled(), inKernel);
    assert.equal(elements(pair).length, 101);
  });
});

describe('an nft that misbehaves', { skip: need }, () => {
  const faults: readonly [what: string, line: string | ((pair: NetworkPair) => string), why: RegExp][] = [
    ['hangs', 'exec sleep 1000', /did not end within 0\.\d s/],
    ['is killed', 'kill -9 $$', /signal 9/],
    ['says something unheard of', 'echo "no such luck" >&2; exit 1', /no such luck/],
    [
      'is not permitted',
      (pair) =>
        `exec ${program('ip')} netns exec ${pair.host.name} ${program('setpriv')} --reuid 65534 --clear-groups ${program('nft')} "$@"`,
      /not permitted.*CAP_NET_ADMIN/,
    ],
    ['is gone', 'exit 127', /not installed.*Install nftables/],
    [
      'has no memory',
      'echo "/dev/stdin:1:1-2: Error: Could not process rule: Cannot allocate memory" >&2; exit 1',
      /Cannot allocate memory/,
    ],
  ];
  for (const [what, line, why] of faults) {
    test(`nft ${what}: said once, and everything is in the kernel when nft is well again`, async (t) => {
      const pair = newPair(t);
      const nft = faultyNft(pair);
      const kernel = enforceIn(pair, pair.host, { nft: nft.path, timeoutMs: 300 });
      assert.deepEqual(await kernel.enforcer.start(wanted), inKernel);
      kernel.apply(put('198.51.100.1'), put('198.51.100.2'));
      assert.deepEqual(await kernel.enforcer.settled(), inKernel);

      nft.breakWith(typeof line === 'string' ? line : line(pair));
      kernel.apply(put('198.51.100.3'), remove('198.51.100.1'));
      const settled = await kernel.enforcer.settled();
      assert.ok(settled.kind === 'not_yet');
      assert.match(settled.why, why);
      kernel.apply(put('198.51.100.4'));
      assert.equal((await kernel.enforcer.settled()).kind, 'not_yet', 'who asks meanwhile is answered at once');
      // A second attempt, and still one sentence.
      await kernel.next('transaction');
      assert.deepEqual(
        kernel.said.up.map(([up]) => up),
        [true, false],
      );

      nft.mend();
      const up = kernel.next('up');
      assert.deepEqual((await up)[0], true);
      while (elements(pair).join() !== '198.51.100.2,198.51.100.3,198.51.100.4') await aTurn();
      assert.ok(kernel.said.transaction.some(([result]) => result !== 'ok'));
    });
  }

  test('a start without permission says what mends it, and begins when it is given', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    nft.breakWith(
      `exec ${program('ip')} netns exec ${pair.host.name} ${program('setpriv')} --reuid 65534 --clear-groups ${program('nft')} "$@"`,
    );
    const kernel = enforceIn(pair, pair.host, { nft: nft.path });
    kernel.apply(put('198.51.100.1'));
    const settled = await kernel.enforcer.start(wanted);
    assert.ok(settled.kind === 'not_yet');
    assert.match(settled.why, /CAP_NET_ADMIN/);
    nft.mend();
    await kernel.next('restored');
    assert.deepEqual(elements(pair), ['198.51.100.1']);
  });

  test('while nothing reaches the kernel, no more than maxWaiting changes are kept; all bans are written afterwards', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    const kernel = enforceIn(pair, pair.host, { nft: nft.path, maxWaiting: 50 });
    await kernel.enforcer.start(wanted);
    nft.breakWith('exit 1');
    for (let index = 0; index < 1_000; index++) kernel.apply(put(`10.0.${index >> 8}.${index & 255}`));
    await kernel.enforcer.settled();
    const waiting = kernel.enforcer.waiting();
    assert.ok(waiting > 0 && waiting <= 50, `${waiting} wait`);
    nft.mend();
    while (elements(pair).length < 1_000) await aTurn();
  });

  test('batches that the socket has no room for are halved until they fit', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    const kernel = enforceIn(pair, pair.host, { nft: nft.path });
    await kernel.enforcer.start(wanted);
    nft.breakWith(
      `cat >${pair.directory}/batch; if [ $(wc -l <${pair.directory}/batch) -gt 100 ]; then echo 'netlink: Error: Could not process rule: Message too long' >&2; exit 1; fi; exec <${pair.directory}/batch`,
    );
    kernel.apply(...Array.from({ length: 1_000 }, (_, index) => put(`10.0.${index >> 8}.${index & 255}`)));
    while (elements(pair).length < 1_000) await aTurn();
    assert.ok(kernel.said.transaction.filter(([result]) => result === 'error').length < 12);
  });
});

describe('an nft that was built without JSON', { skip: need }, () => {
  test('bans all the same; a loss is noticed with the next ban, and everything is written again', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    nft.breakWith('case "$*" in *-j*) echo "Error: JSON support not compiled-in" >&2; exit 1 ;; esac');
    const kernel = enforceIn(pair, pair.host, { nft: nft.path });
    assert.deepEqual(await kernel.enforcer.start(wanted), inKernel);
    kernel.apply(put('198.51.100.1'));
    assert.deepEqual(await kernel.enforcer.settled(), inKernel);
    pair.host.run('nft', 'flush ruleset');
    kernel.apply(put('198.51.100.2'));
    assert.deepEqual(await kernel.enforcer.settled(), inKernel);
    while (elements(pair).join() !== '198.51.100.1,198.51.100.2') await aTurn();
  });
});

describe('the shell that runs nft', { skip: need }, () => {
  test('is started again when it dies, and the transaction on its way is repeated', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    const pidFile = join(pair.directory, 'shell');
    const kernel = enforceIn(pair, pair.host, { nft: nft.path });
    await kernel.enforcer.start(wanted);
    nft.breakWith(`case "$*" in *list*) ;; *) echo $PPID >${pidFile}; kill -9 $PPID; rm ${join(pair.directory, 'fault')} ;; esac`);
    kernel.apply(put('198.51.100.1'));
    assert.equal((await kernel.enforcer.settled()).kind, 'not_yet');
    assert.ok(existsSync(pidFile));
    await committed(kernel);
    assert.deepEqual(elements(pair), ['198.51.100.1']);
  });

  test('works in a private directory, and leaves nothing there', async (t) => {
    const pair = newPair(t);
    const kernel = enforceIn(pair, pair.host);
    await kernel.enforcer.start(wanted);
    kernel.apply(put('198.51.100.1'));
    await kernel.enforcer.settled();
    assert.ok(readdirSync(pair.directory).some((name) => name.startsWith('sluice-nft-')));
    await kernel.enforcer.stop();
    assert.deepEqual(
      readdirSync(pair.directory).filter((name) => name.startsWith('sluice-nft-')),
      [],
    );
  });

  test('gets no environment but LC_ALL and HOME', async (t) => {
    const pair = newPair(t);
    const nft = faultyNft(pair);
    nft.breakWith(`tr '\\0' '\\n' </proc/$$/environ >${join(pair.directory, 'environment')}`);
    const kernel = enforceIn(pair, pair.host, { nft: nft.path });
    await kernel.enforcer.start(wanted);
    const names = readFileSync(join(pair.directory, 'environment'), 'utf8').match(/^\w+(?==)/gm) ?? [];
    assert.deepEqual(names.filter((name) => name !== 'PWD').toSorted(), ['HOME', 'LC_ALL']);
  });
});
