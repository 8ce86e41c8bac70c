import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createAnswerCache, parseIgnoreCache } from '../../src/act/ignore-cache.ts';
import { createIgnoreCommand, type Failure } from '../../src/act/ignore-command.ts';
import { parseIgnoreFile } from '../../src/act/ignore-file.ts';
import { createIgnoreList } from '../../src/act/ignore-list.ts';
import { createShellRunner } from '../../src/act/shell-launcher.ts';
import { type Address, parseAddress, parsePrefix } from '../../src/model/address.ts';
import type { ForeignIgnoreEntry } from '../../src/model/foreign-jail.ts';

function addressOf(text: string): Address {
  const address = parseAddress(text);
  assert.ok(address !== undefined);
  return address;
}

function network(text: string): ForeignIgnoreEntry {
  const prefix = parsePrefix(text);
  assert.ok(prefix !== undefined);
  return { kind: 'network', prefix };
}

describe('ignoreip', () => {
  const dir = mkdtempSync(join(tmpdir(), 'slu-ign-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const troubles: string[] = [];
  const onTrouble = (why: string) => troubles.push(why);

  test('spares networks at once', () => {
    const list = createIgnoreList([network('192.0.2.0/24'), network('2001:db8::/32'), network('198.51.100.7')], {
      nowMs: () => 0,
      onTrouble,
    });
    const cases: readonly [string, string | undefined][] = [
      ['192.0.2.255', 'ip'],
      ['192.0.3.0', undefined],
      ['2001:db8:ffff::1', 'ip'],
      ['2001:db9::1', undefined],
      ['198.51.100.7', 'ip'],
      ['198.51.100.8', undefined],
    ];
    for (const [address, by] of cases) assert.equal(list.covers(addressOf(address)), by, address);
    list.stop();
  });

  test('spares what a name resolves to, asks again after five minutes, and keeps the answer while nobody answers', async () => {
    let nowMs = 0;
    let asked = 0;
    let answer: () => readonly string[] = () => ['192.0.2.1', '2001:db8::1'];
    const resolve = async () => {
      asked++;
      return answer();
    };
    const list = createIgnoreList([{ kind: 'name', written: 'mx.example' }], { nowMs: () => nowMs, onTrouble, resolve });
    assert.equal(list.covers(addressOf('192.0.2.1')), undefined, 'nobody waits for the answer');
    await list.ready;
    assert.equal(list.covers(addressOf('192.0.2.1')), 'dns');
    assert.equal(list.covers(addressOf('2001:db8::1')), 'dns');

    nowMs = 299_999;
    await list.refresh();
    assert.equal(asked, 1);
    nowMs = 300_000;
    answer = () => {
      throw Object.assign(new Error('no'), { code: 'EAI_AGAIN' });
    };
    troubles.length = 0;
    await list.refresh();
    assert.equal(list.covers(addressOf('192.0.2.1')), 'dns');
    nowMs = 600_000;
    await list.refresh();
    assert.deepEqual(troubles, ['ignoreip: the name mx.example cannot be resolved (EAI_AGAIN): its last addresses hold'], 'said once');
    nowMs = 900_000;
    answer = () => ['192.0.2.9'];
    await list.refresh();
    assert.equal(list.covers(addressOf('192.0.2.1')), undefined);
    assert.equal(list.covers(addressOf('192.0.2.9')), 'dns');
    list.stop();
  });

  test('asks as every program of this host does', async () => {
    const list = createIgnoreList([{ kind: 'name', written: 'localhost' }], { nowMs: Date.now, onTrouble });
    await list.ready;
    assert.equal(list.covers(addressOf('127.0.0.1')) ?? list.covers(addressOf('::1')), 'dns');
    list.stop();
  });

  test('reads a file at once, and again when it has changed', async () => {
    const path = join(dir, 'spared');
    writeFileSync(path, '# ours\n192.0.2.0/255.255.255.128 # netmask\n\nmx.example\n');
    const list = createIgnoreList([{ kind: 'file', path }], { nowMs: () => 0, onTrouble, resolve: async () => ['203.0.113.1'] });
    assert.equal(list.covers(addressOf('192.0.2.127')), 'file');
    assert.equal(list.covers(addressOf('192.0.2.128')), undefined);
    await list.ready;
    assert.equal(list.covers(addressOf('203.0.113.1')), 'dns');
    appendFileSync(path, '198.51.100.1\n');
    await list.refresh();
    assert.equal(list.covers(addressOf('198.51.100.1')), 'file');

    troubles.length = 0;
    rmSync(path);
    await list.refresh();
    await list.refresh();
    assert.equal(list.covers(addressOf('198.51.100.1')), 'file', 'what it said before holds');
    assert.equal(troubles.length, 1);
    assert.match(troubles.join(), /spared cannot be read, what it said before holds: ENOENT/);
    writeFileSync(path, '203.0.113.9\n!?\n');
    await list.refresh();
    assert.equal(list.covers(addressOf('203.0.113.9')), 'file');
    assert.match(troubles[1] ?? '', /line 2: "!\?"/);
    list.stop();
  });

  test('takes several words of a line, and both ways to comment', () => {
    const { networks, names, unknown } = parseIgnoreFile('192.0.2.1, 2001:db8::/48 mx.example ; rest\r\n#all\n/x');
    assert.deepEqual(
      { networks, names, unknown },
      { networks: ['192.0.2.1/32', '2001:db8::/48'], names: ['mx.example'], unknown: ['line 3: "/x"'] },
    );
  });
});

describe('ignorecache', () => {
  const cases: readonly [string, unknown][] = [
    ['key="<ip>", max-count=100, max-time=5m', { key: '<ip>', maxCount: 100, maxMs: 300_000 }],
    ["key='<F-USER>@<ip-host>'", { key: '<F-USER>@<ip-host>', maxCount: 100, maxMs: 300_000 }],
    ['max-time=1h30m', { key: '<ip>', maxCount: 100, maxMs: 5_400_000 }],
    ['max-time = 90', { key: '<ip>', maxCount: 100, maxMs: 90_000 }],
    ['max-count=many', 'max-count = many is not a number'],
    ['max-time=soon', 'max-time = soon is not a length of time such as 5m'],
    ['!', '"name=value" was expected, found "!"'],
  ];
  for (const [written, expected] of cases) test(written, () => assert.deepEqual(parseIgnoreCache(written), expected));

  test('keeps so many answers for so long', () => {
    let nowMs = 0;
    const cache = createAnswerCache({ key: '', maxCount: 2, maxMs: 10 }, () => nowMs);
    cache.set('a', true);
    cache.set('b', false);
    cache.set('c', true);
    assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [undefined, false, true]);
    nowMs = 10;
    assert.equal(cache.get('c'), undefined);
  });
});

describe('ignorecommand', () => {
  const dir = mkdtempSync(join(tmpdir(), 'slu-igc-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const out = join(dir, 'out');
  const failure = (address: string, given: Partial<Failure> = {}): Failure => ({
    address: addressOf(address),
    fields: new Map(),
    matches: [],
    timeMs: 0,
    ...given,
  });
  const asked = (): readonly string[] => readFileSync(out, 'utf8').trimEnd().split('\n');

  function create(command: string, given: { cache?: string; timeoutMs?: number; maxWaiting?: number; nowMs?: () => number } = {}) {
    const troubles: string[] = [];
    writeFileSync(out, '');
    const asking = createIgnoreCommand({
      jail: 'mail',
      command,
      cache: undefined,
      onTrouble: (why) => troubles.push(why),
      run: createShellRunner({ PATH: '/usr/bin:/bin', OUT: out }),
      names: { short: 'mx', full: async () => 'mx.example', nameOf: async () => 'crawler.example' },
      ...given,
    });
    return { ...asking, troubles };
  }

  test('spares whom it ends with 0 for', async () => {
    const { ask, troubles } = create('test <ip> = 192.0.2.1 && test "<ip-host>" = crawler.example');
    assert.deepEqual(await Promise.all(['192.0.2.1', '192.0.2.2'].map(async (ip) => ask(failure(ip)))), [true, false]);
    assert.deepEqual(troubles, []);
  });

  test('counts the failure, and says so, if the command fails or takes too long', async () => {
    const failing = create('exit 2');
    assert.equal(await failing.ask(failure('192.0.2.1')), false);
    assert.deepEqual(failing.troubles, ['192.0.2.1 counts: exit code 2']);
    const slow = create('sleep 300', { timeoutMs: 200 });
    assert.equal(await slow.ask(failure('192.0.2.1')), false);
    assert.deepEqual(slow.troubles, ['192.0.2.1 counts: ended after 0.2 s']);
  });

  test('gets text of the log as nothing but text', async () => {
    const { ask } = create(`printf '%s\\n' '<F-USER>' "<matches>" >>"$OUT"`);
    const text = `$(id)'"\`id\`;`;
    assert.equal(await ask(failure('192.0.2.1', { fields: new Map([['user', text]]), matches: [text] })), true);
    assert.deepEqual(asked(), [text, text]);
  });

  test('is not run where that cannot be', async () => {
    const { ask, troubles } = create('sh -c "test <F-USER> = root"');
    assert.equal(await ask(failure('192.0.2.1')), false);
    assert.match(troubles.join(), /^not run: <F-USER>/);
  });

  test('is asked one question at a time, and the same one once', async () => {
    const { ask } = create('mkdir "$OUT.lock" && echo <ip> >>"$OUT" && rmdir "$OUT.lock"');
    const all = ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.3'];
    assert.deepEqual(await Promise.all(all.map(async (ip) => ask(failure(ip)))), [true, true, true, true]);
    assert.deepEqual(asked(), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  });

  test('keeps its answers where ignorecache says so', async () => {
    let nowMs = 0;
    const { ask } = create('echo <ip> >>"$OUT"', { cache: 'key="<ip>", max-time=5m', nowMs: () => nowMs });
    await ask(failure('192.0.2.1'));
    nowMs = 299_999;
    await ask(failure('192.0.2.1', { timeMs: 5 }));
    assert.deepEqual(asked(), ['192.0.2.1']);
    nowMs = 300_000;
    await ask(failure('192.0.2.1'));
    assert.deepEqual(asked(), ['192.0.2.1', '192.0.2.1']);
  });

  test('counts nobody about whom it cannot be asked for want of room', async () => {
    const { ask, troubles } = create('test <ip> = nobody', { maxWaiting: 2 });
    const answers = await Promise.all([1, 2, 3, 4].map(async (last) => ask(failure(`192.0.2.${last}`))));
    assert.deepEqual(answers, [false, false, true, true]);
    assert.equal(troubles.length, 1);
  });

  test('lets nobody wait for it once it is stopped', async () => {
    const { ask, stop } = create('sleep 300');
    const waiting = [ask(failure('192.0.2.1')), ask(failure('192.0.2.2'))];
    stop();
    assert.deepEqual(await Promise.all(waiting), [true, true]);
  });
});
