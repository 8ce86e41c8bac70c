import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readPorts } from '../../../src/rules/fail2ban/ban-action.ts';
import { parseIgnoreIp } from '../../../src/rules/fail2ban/ignore-ip.ts';
import type { F2bJail } from '../../../src/rules/fail2ban/jail-file.ts';
import { type LoadOptions, loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { filesOf } from '../../../src/rules/fail2ban/log-path.ts';
import { sourced } from '../../../src/rules/fail2ban/sourced-text.ts';
import { toJail } from '../../../src/rules/fail2ban/to-jail.ts';
import { without } from '../../environment.ts';

const root = mkdtempSync(join(tmpdir(), 'slu-f2b-policy-'));
after(() => rmSync(root, { recursive: true }));
let count = 0;

/** One jail named j, with the stock actions of the installed package if there are any. */
function jailOf(
  lines: string,
  { files = {}, ...options }: LoadOptions & { readonly files?: Readonly<Record<string, string>> } = {},
): F2bJail {
  const dir = join(root, String(++count));
  const all = {
    'jail.conf': `[DEFAULT]\nbackend = polling\n[j]\nenabled = true\nfilter = f\n${lines}\n`,
    'filter.d/f.conf': '[Definition]\nfailregex = ^<HOST>$\n',
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  const { jails, disabled } = loadFail2ban(dir, options);
  const [jail] = jails;
  assert.ok(jail !== undefined, JSON.stringify(disabled));
  return jail;
}

const place = { file: 'jail.local', line: 1, column: 1 };

describe('ignoreip', () => {
  const cases: readonly [written: string, meant: string][] = [
    ['192.0.2.1', '192.0.2.1/32'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.0/255.255.255.0', '192.0.2.0/24'],
    ['192.0.2.0/255.0.255.0', 'unknown'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8::/ffff:ffff::', '2001:db8::/32'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['192.0.2.0/33', 'unknown'],
    ['mail.example.org', 'name'],
    ['localhost', 'name'],
    ['1.2.3', 'unknown'],
    ['file:/etc/friends', 'file'],
  ];
  for (const [written, meant] of cases) {
    test(`${written} is ${meant}`, () => {
      const [entry] = parseIgnoreIp(sourced(written, place));
      assert.equal(entry?.kind === 'network' ? entry.prefix : entry?.kind, meant);
    });
  }

  test('takes spaces, commas and lines between its entries', () => {
    assert.deepEqual(
      parseIgnoreIp(sourced('192.0.2.1,192.0.2.2  ,\n192.0.2.3', place)).map(({ written }) => written),
      ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
    );
  });

  test('names an entry that spares nobody', () => {
    assert.match(
      jailOf('ignoreip = 192.0.2.0/33')
        .warnings.map(({ message }) => message)
        .join(),
      /"192.0.2.0\/33" is neither/,
    );
  });
});

describe('what a jail leaves out', () => {
  test('is what fail2ban takes without being told', () => {
    const { maxretry, maxmatches, findtimeMs, bantime, ignoreself, ignorecommand, logencoding, filter } = jailOf('');
    assert.deepEqual(
      { maxretry, maxmatches, findtimeMs, bantime, ignoreself, ignorecommand, logencoding },
      {
        maxretry: 3,
        maxmatches: 5,
        findtimeMs: 600_000,
        bantime: { firstMs: 600_000, increment: undefined },
        ignoreself: true,
        ignorecommand: undefined,
        logencoding: 'auto',
      },
    );
    assert.deepEqual([filter.usedns, filter.usednsWritten, filter.maxlines], ['no', undefined, 1]);
  });
  test('usedns = warn is no, yes and raw stay', () => {
    assert.deepEqual(
      ['warn', 'yes', 'raw', 'No', 'odd'].map((value) => jailOf(`usedns = ${value}`).filter.usedns),
      ['no', 'yes', 'raw', 'no', 'no'],
    );
  });
  test('maxretry below 1 is 1, and said', () => {
    const jail = jailOf('maxretry = 0');
    assert.deepEqual([jail.maxretry, jail.warnings.map(({ line }) => line)], [1, [6]]);
  });
});

describe('where a jail reads', () => {
  const match = 'journalmatch = _SYSTEMD_UNIT=a.service _UID=0 + _COMM=b\n  _COMM=c';
  const groups = [['_SYSTEMD_UNIT=a.service', '_UID=0'], ['_COMM=b'], ['_COMM=c']];

  test('backend systemd is the journal, with its options', () => {
    const { reading } = jailOf(`backend = systemd[journalflags=1, namespace="mail"]\n${match}`);
    assert.deepEqual(reading, {
      kind: 'journal',
      matches: groups,
      options: new Map([
        ['journalflags', '1'],
        ['namespace', 'mail'],
      ]),
    });
  });
  test('auto without a file is the journal if there is a journalmatch, and said', () => {
    const jail = jailOf(`backend = auto\nlogpath = ${root}/none.log\n${match}`);
    assert.equal(jail.reading.kind, 'journal');
    assert.match(jail.warnings[0]?.message ?? '', /the journal is read instead/);
  });
  test('auto with a file is the file', () => {
    writeFileSync(join(root, 'there.log'), '');
    const { reading } = jailOf(`backend = auto\nlogpath = ${root}/there.log tail\n${match}`);
    assert.deepEqual(reading.kind === 'files' ? reading.paths.map(({ files, from }) => [files, from]) : [], [
      [[join(root, 'there.log')], 'tail'],
    ]);
  });
  test('auto can be made the journal, and the filter then expects its lines', () => {
    const files = { 'filter.d/f.conf': '[Definition]\nfailregex = ^<logtype> <HOST>$\n' };
    const jail = jailOf('backend = auto', { backendDefault: 'systemd', files });
    assert.deepEqual([jail.reading.kind, jail.filter.failregex[0]?.text], ['journal', '^journal <HOST>$']);
  });

  test('a pattern stands for what a shell would find', () => {
    const dir = join(root, 'globs');
    for (const name of ['a/one.log', 'a/two.log', 'b/one.log', 'a/.hidden.log', 'a/[odd].log']) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), '');
    }
    symlinkSync('nowhere', join(dir, 'a/dangling.log'));
    const found = (pattern: string) => filesOf(join(dir, pattern)).map((path) => path.slice(dir.length + 1));
    assert.deepEqual(found('*/one.log'), ['a/one.log', 'b/one.log']);
    assert.deepEqual(found('a/*.log'), ['a/[odd].log', 'a/one.log', 'a/two.log']);
    assert.deepEqual(found('[!b]/[n-p]ne.log'), ['a/one.log']);
    assert.deepEqual(found('a/[[]odd[]].log'), ['a/[odd].log']);
    assert.deepEqual(found('a/t?o.log'), ['a/two.log']);
    assert.deepEqual(found('a/.h*'), ['a/.hidden.log']);
    assert.deepEqual(found('a/[z-a]*'), []);
    assert.deepEqual(found('c/one.log'), []);
  });
});

const stockActions = '/etc/fail2ban/action.d';

describe('the actions of the installed package', { skip: without('fail2ban-client') }, () => {
  const withAction = (action: string) => jailOf(`action = ${action.replaceAll('@', `${stockActions}/`)}`);
  const convert = (action: string) => toJail(withAction(action), { filters: ['f'], purgeageMs: 86_400_000, random: Math.random });

  test('iptables and nftables become our sets, for their ports', () => {
    for (const name of ['@iptables-multiport', '@nftables-multiport', '@nftables', '@iptables-ipset-proto6', '@iptables[type=multiport]']) {
      const options = 'port="smtp,465:467,submission", protocol="tcp", chain="<known/chain>"';
      const { jail, closes } = convert(name.endsWith(']') ? name.replace(']', `, ${options}]`) : `${name}[${options}]`);
      assert.deepEqual([closes, jail.ports], [true, { kind: 'list', protocol: 'tcp', ports: [25, 465, 466, 467, 587] }], name);
    }
    for (const name of ['@iptables-allports', '@nftables-allports', '@nftables[type=allports]', '@iptables-ipset-proto6-allports']) {
      assert.deepEqual(convert(name).jail.ports, { kind: 'all' }, name);
    }
    assert.deepEqual(convert('@iptables[protocol="tcp,udp", port=53, type=multiport]').jail.ports, {
      kind: 'list',
      protocol: 'both',
      ports: [53],
    });
  });

  test('the whole range is every port of that protocol, and no other', () => {
    const { ports } = convert('@nftables[port="0:65535", protocol=udp]').jail;
    assert.deepEqual(ports.kind === 'list' ? [ports.protocol, ports.ports.length, ports.ports[0], ports.ports.at(-1)] : [], [
      'udp',
      65_535,
      1,
      65_535,
    ]);
  });

  test('what our sets do otherwise is said', () => {
    assert.match(convert('@iptables-multiport[chain=FORWARD]').differences.join('; '), /dropped instead of answered.*not only in FORWARD/);
    assert.deepEqual(convert('@nftables[blocktype=drop]').differences, []);
  });

  test('any other action is kept with its commands, and so is one that somebody changed', () => {
    for (const action of [
      '@sendmail[dest="root@example.org"]',
      '@nftables[blocktype="redirect to 2222"]',
      '@iptables-multiport[actionban="logger <ip>; iptables -I x"]',
      '@iptables[port=no-such-port]',
    ]) {
      const jail = withAction(action);
      assert.deepEqual(
        jail.actions.map((each) => each.kind === 'commands' && each.kernel === undefined && each.commands.has('actionban')),
        [true],
        action,
      );
      assert.equal(toJail(jail, { filters: [], purgeageMs: 0, random: Math.random }).closes, false);
    }
  });

  test('a Python action is kept by its name', () => {
    assert.deepEqual(
      withAction('smtp.py[host="mail.example", actname=mailer]').actions.map(({ kind, name, file }) => [kind, name, file]),
      [['python', 'mailer', 'smtp.py']],
    );
  });
});

test('names of ports are those that the system has', { skip: without('fail2ban-client') }, () => {
  const names = ['ssh', 'smtp', 'imap2', 'submission', 'sieve', 'http', 'https', 'ftp', 'imaps', 'pop3s'];
  const script = 'import socket, sys; print(*[socket.getservbyname(name, "tcp") for name in sys.argv[1:]])';
  const expected = execFileSync('/usr/bin/python3', ['-c', script, ...names], { encoding: 'utf8' })
    .trim()
    .split(' ')
    .map(Number);
  const ports = names.map((name) => readPorts(name, 'tcp', ''));
  assert.deepEqual(
    ports.map((one) => (one?.kind === 'list' ? one.ports[0] : undefined)),
    expected,
  );
});

describe('the policy as the decisions take it', () => {
  const bantimeOf = (lines: string) => toJail(jailOf(lines), { filters: ['f'], purgeageMs: 86_400_000, random: () => 0.5 });

  test('bans single addresses', () => assert.deepEqual(bantimeOf('').jail.prefix, { ipv4: 32, ipv6: 128 }));
  test('each ban is as long as the first', () =>
    assert.deepEqual(bantimeOf('bantime = 1h').jail.bantime, { firstMs: 3_600_000, factor: 1, maxMs: 3_600_000, forgetMs: 0 }));
  test('for ever is for ever', () => assert.equal(bantimeOf('bantime = -1').jail.bantime.firstMs, Infinity));
  test('doubling is four numbers', () => {
    const { heavierReturns, overall, lengthMs, ...numbers } = bantimeOf('bantime = 1h\nbantime.increment = true\nbantime.maxtime = 1w').jail
      .bantime;
    assert.deepEqual([heavierReturns, overall], [true, false]);
    assert.deepEqual([numbers, lengthMs], [{ firstMs: 3_600_000, factor: 2, maxMs: 604_800_000, forgetMs: 93_600_000 }, undefined]);
  });
  test('anything else is a function of the count', () => {
    const { lengthMs } = bantimeOf('bantime = 60\nbantime.increment = true\nbantime.multipliers = 1 2 5\nbantime.rndtime = 10').jail
      .bantime;
    assert.deepEqual(
      [0, 1, 2, 3].map((earlier) => lengthMs?.(earlier)),
      [60_000, 125_000, 305_000, 305_000],
    );
  });
});
