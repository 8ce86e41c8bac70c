import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Jail } from '../../src/model/decision.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { configOf, oneJail, read, root, shownMistakes } from './sample.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const week = 7 * day;

describe('a configuration of one jail', () => {
  const config = configOf(oneJail);
  test('reads the journal, and nothing else', () => {
    assert.equal(config.sources.own, 'journal');
    assert.equal(config.sources.journal?.name, 'journal');
    assert.deepEqual(config.sources.syslog, []);
    assert.deepEqual(config.sources.files, []);
    assert.equal(config.sources.maxSkewMs, 10 * minute);
  });
  test('bans in the kernel, serves metrics on loopback, and keeps its things where root does', () => {
    assert.deepEqual(config.enforce, { mode: 'nftables', setSize: 1_000_000 });
    assert.deepEqual(config.metrics, { host: '127.0.0.1', port: 9190 });
    assert.deepEqual(config.control, { socket: '/run/sluice/control.sock', group: undefined });
    assert.deepEqual(config.state, { path: '/var/lib/sluice/sluice.db' });
    assert.deepEqual(config.limits, { messageBytes: 65_536, connections: 1_024, subjects: 1_000_000, evidenceBytes: 67_108_864 });
  });
  test('gives the jail what it does not say', () => {
    assert.deepEqual(config.jails, [
      {
        name: 'postfix',
        filters: ['postfix'],
        maxretry: 5,
        findtimeMs: 10 * minute,
        bantime: { firstMs: hour, factor: 1, maxMs: hour, forgetMs: 4 * week },
        prefix: { ipv4: 32, ipv6: 64 },
        ports: { kind: 'list', protocol: 'tcp', ports: [25, 465, 587] },
        observe: false,
      },
    ]);
  });
  test('keeps its things elsewhere for an ordinary user', () => {
    const own = configOf(oneJail, { uid: 1000, env: { XDG_RUNTIME_DIR: '/run/user/1000', HOME: '/home/alice' } });
    assert.equal(own.control.socket, '/run/user/1000/sluice/control.sock');
    assert.equal(own.state.path, '/home/alice/.local/state/sluice/sluice.db');
  });
});

function only(text: string): Jail {
  const [jail] = configOf(text).jails;
  return jail ?? assert.fail('no jail');
}

describe('jails', () => {
  test('take from defaults what they do not say, the prefix by family', () => {
    const jail = only(
      'defaults: { maxretry: 3, findtime: 1m, prefix: { ipv4: 24 } }\njails: { a: { filters: [sshd], findtime: 2m, prefix: { ipv6: 48 } } }',
    );
    assert.equal(jail.maxretry, 3);
    assert.equal(jail.findtimeMs, 2 * minute);
    assert.deepEqual(jail.prefix, { ipv4: 24, ipv6: 48 });
  });
  test('keep the order of the file', () => {
    assert.deepEqual(
      configOf('jails: { z: { filters: [sshd] }, a: { filters: [sshd] }, 10: { filters: [sshd] } }').jails.map(({ name }) => name),
      ['z', 'a', '10'],
    );
  });
  test('that are disabled are not there', () => {
    assert.deepEqual(
      configOf('jails: { a: { filters: [sshd], enabled: false }, b: { filters: [sshd] } }').jails.map(({ name }) => name),
      ['b'],
    );
  });
  test('with names like those of objects are jails as others', () => {
    assert.deepEqual(
      configOf('jails: { constructor: { filters: [sshd] }, toString: { filters: [sshd] } }').jails.map(({ name }) => name),
      ['constructor', 'toString'],
    );
  });

  const bantimes: readonly [written: string, expected: object, because: string][] = [
    ['2h', { firstMs: 2 * hour, factor: 1, maxMs: 2 * hour, forgetMs: 4 * week }, 'a duration is always as long'],
    ['permanent', { firstMs: Infinity, factor: 1, maxMs: Infinity, forgetMs: 4 * week }, 'permanent has no end'],
    ['{ first: 1h }', { firstMs: hour, factor: 2, maxMs: 4 * week, forgetMs: 4 * week }, 'a mapping grows, doubling up to four weeks'],
    [
      '{ first: 1h, factor: 1.5, max: permanent, forget: 1w }',
      { firstMs: hour, factor: 1.5, maxMs: Infinity, forgetMs: week },
      'all is said',
    ],
    [
      '{ first: 8w }',
      { firstMs: 8 * week, factor: 2, maxMs: 8 * week, forgetMs: 4 * week },
      'a first ban beyond the default of max is meant as it is written',
    ],
  ];
  for (const [written, expected, because] of bantimes) {
    test(`bantime: ${written}: ${because}`, () =>
      assert.deepEqual(only(`jails: { a: { filters: [sshd], bantime: ${written} } }`).bantime, expected));
  }

  const ports: readonly [written: string, expected: object, because: string][] = [
    ['filters: [sshd]', { kind: 'list', protocol: 'tcp', ports: [22] }, 'those of the filter'],
    ['filters: [sshd, postfix]', { kind: 'list', protocol: 'tcp', ports: [22, 25, 465, 587] }, 'those of all filters'],
    ['filters: [sshd, named]', { kind: 'list', protocol: 'both', ports: [22, 53] }, 'TCP and UDP together are both'],
    ['filters: [sshd], ports: all', { kind: 'all' }, 'everything, if somebody says so'],
    [
      'filters: [sshd], ports: [smtp, 2222, 40000-40002]',
      { kind: 'list', protocol: 'tcp', ports: [25, 2222, 40_000, 40_001, 40_002] },
      'what is written',
    ],
    ['filters: [sshd], ports: [urd]', { kind: 'list', protocol: 'tcp', ports: [465] }, 'names of /etc/services'],
  ];
  for (const [written, expected, because] of ports) {
    test(`ports of { ${written} }: ${because}`, () => assert.deepEqual(only(`jails: { a: { ${written} } }`).ports, expected));
  }

  test('are not blamed for a filter whose own file is broken', () => {
    assert.equal(read('jails: { a: { filters: [dovecot/auth-failed] } }').kind, 'mistakes');
    assert.equal(read('jails: { a: { filters: [dovecot/auth-failed] } }', { brokenFilters: ['dovecot'] }).kind, 'config');
  });
});

describe('sources', () => {
  test('a loopback listener believes loopback senders of root, syslog and the listed users', () => {
    const [listener] = configOf(`${oneJail}sources: { syslog: [{ listen: "udp://[::1]:5514", trusted_uids: [33, 104] }] }`).sources.syslog;
    assert.deepEqual(listener, {
      kind: 'syslog',
      name: 'udp://[::1]:5514',
      transport: 'udp',
      host: '::1',
      port: 5514,
      peers: ['::1/128'],
      trustedUids: [0, 104, 33],
      timezone: 'local',
      silenceMs: 0,
    });
  });
  test('a file begins where it says, the others with the longest findtime', () => {
    const { sources } = configOf(
      `sources: { files: [{ path: /a, from: start }, { path: /b, from: 2d }, { path: /c }], journal: { from: end } }\njails: { a: { filters: [sshd], findtime: 30m }, b: { filters: [sshd] } }`,
    );
    assert.deepEqual(
      sources.files.map(({ from }) => from),
      [{ kind: 'start' }, { kind: 'ago', agoMs: 2 * day }, { kind: 'ago', agoMs: 30 * minute }],
    );
    assert.deepEqual(sources.journal?.from, { kind: 'end' });
  });
  test('nothing begins more than an hour ago by itself', () => {
    assert.deepEqual(configOf('jails: { a: { filters: [sshd], findtime: 1w } }').sources.journal?.from, { kind: 'ago', agoMs: hour });
  });
  test('the journal is not read where own lines come by files, unless it is another journal', () => {
    const files = 'sources: { own: files, files: [{ path: /a }]';
    assert.equal(configOf(`${oneJail}${files} }`).sources.journal, undefined);
    assert.equal(
      configOf(`${oneJail}${files}, journal: { directory: /var/log/journal/remote } }`).sources.journal?.directory,
      '/var/log/journal/remote',
    );
  });
  test('the journal read for nothing is worth a warning', () => {
    const text = `${oneJail}sources: { own: syslog, syslog: [{ listen: udp://127.0.0.1:5514 }], journal: { enabled: true } }`;
    assert.match(shownMistakes(read(text), text), /^sluice\.yaml:2:89: warning: this system's journal holds .*\n(?:.*\n)*1 warning$/);
  });
  test('peers everywhere are worth a warning', () => {
    const text = `${oneJail}sources: { syslog: [{ listen: tcp://0.0.0.0:514, peers: [0.0.0.0/0] }] }`;
    assert.match(shownMistakes(read(text), text), /warning: 0\.0\.0\.0\/0 lets every host send lines that lead to bans/);
  });
  test('any free port can be asked for twice', () => {
    const text = 'sources: { syslog: [{ listen: udp://127.0.0.1:0, name: a }, { listen: udp://127.0.0.1:0, name: b }] }';
    assert.equal(configOf(`${oneJail}${text}`).sources.syslog.length, 2);
  });
});

test("metrics have the names of fail2ban's exporters if that is asked for", () => {
  assert.equal(configOf(`${oneJail}metrics: { fail2ban_names: true }`).fail2banNames, true);
  assert.equal(configOf(`${oneJail}metrics: off`).fail2banNames, false);
});

test('metrics can be turned off in two ways', () => {
  assert.equal(configOf(`${oneJail}metrics: off`).metrics, undefined);
  assert.equal(configOf(`${oneJail}metrics: { listen: off }`).metrics, undefined);
});

test('the allowlist keeps the place of each entry', () => {
  const { allowlist } = configOf(`${oneJail}allowlist:\n  - 192.0.2.7/24\n  - 2001:db8::1\n`);
  assert.deepEqual(allowlist, [
    { prefix: '192.0.2.0/24', place: { file: 'sluice.yaml', line: 3, column: 5 } },
    { prefix: '2001:db8::1/128', place: { file: 'sluice.yaml', line: 4, column: 5 } },
  ]);
});

test('a list or mapping with nothing but comments in it is empty', () => {
  assert.deepEqual(configOf(`${oneJail}allowlist:\n  # - 192.0.2.1\nenforce:\n`).allowlist, []);
});

test('anchors and aliases stand for what they name', () => {
  const config = configOf(
    'allowlist: &ours [192.0.2.0/24]\nsources: { syslog: [{ listen: tcp://192.0.2.1:514, peers: *ours }] }\njails: { a: { filters: [sshd] } }',
  );
  assert.deepEqual(config.sources.syslog[0]?.peers, ['192.0.2.0/24']);
});

describe('several files', () => {
  const files = [
    {
      path: 'sluice.yaml',
      text: 'allowlist: [192.0.2.0/24]\njails:\n  a: { filters: [sshd], maxretry: 3 }\n  b: { filters: [postfix] }\n',
    },
    { path: 'conf.d/10.yaml', text: 'allowlist: [198.51.100.0/24]\njails:\n  a: { maxretry: 7 }\n' },
    { path: 'conf.d/20.yaml', text: '# nothing\n' },
    { path: 'conf.d/30.yaml', text: 'jails:\n  b: { enabled: false }\n  c: { filters: [named] }\nallowlist:\n' },
  ];
  const reading = parseConfig(files, root);

  test('merge: later scalars win, lists replace lists, mappings merge, and nothing takes nothing away', () => {
    assert.ok(reading.kind === 'config');
    assert.deepEqual(
      reading.config.jails.map(({ name, maxretry }) => [name, maxretry]),
      [
        ['a', 7],
        ['c', 5],
      ],
    );
    assert.deepEqual(
      reading.config.allowlist.map(({ prefix }) => prefix),
      ['198.51.100.0/24'],
    );
  });
  test('each value knows where it was written', () => {
    assert.ok(reading.kind === 'config');
    assert.deepEqual(reading.written(['jails', 'a', 'maxretry']), { file: 'conf.d/10.yaml', line: 3, column: 18, length: 1 });
    assert.deepEqual(reading.written(['jails', 'a', 'filters', 0]), { file: 'sluice.yaml', line: 3, column: 18, length: 4 });
    assert.equal(reading.written(['jails', 'a', 'findtime']), undefined);
  });
  test('mistakes of all files come together, each with its file', () => {
    const broken = parseConfig(
      [
        { path: 'a.yaml', text: 'jials: {}\n' },
        { path: 'b.yaml', text: 'metrics: on\n' },
      ],
      root,
    );
    assert.ok(broken.kind === 'mistakes');
    assert.deepEqual(
      broken.diagnostics.map(({ file, line }) => `${file}:${line}`),
      ['a.yaml:1', 'b.yaml:1'],
    );
  });
});
