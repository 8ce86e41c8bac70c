import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Config } from '../../src/config/config.ts';
import { type ConfigValue, configInForce } from '../../src/config/in-force.ts';
import { configOf, oneJail, read } from './sample.ts';

const everything = `
sources:
  own: files
  max_skew: 90s
  syslog:
    - { listen: "tcp://[2001:db8::1]:6514", peers: [2001:db8::/64, 192.0.2.9], name: relay, timezone: Europe/Berlin, silence: 1h30m, trusted_uids: [33] }
    - { listen: "udp://127.0.0.1:5514" }
  journal: { directory: /var/log/journal/remote, silence: 1d, from: 1h1m1s1ms }
  files:
    - { path: /var/log/mail.log, name: mail, from: start }
    - { path: /var/log/nginx/*.log, program: nginx, timezone: UTC, silence: 5m, from: end }
enforce: { mode: observe, set_size: 5000 }
metrics: off
control: { socket: /tmp/x.sock, group: adm }
state: { path: /tmp/x.db }
allowlist: [192.0.2.0/24, 2001:db8::1]
defaults: { maxretry: 3, findtime: 61m, bantime: permanent, prefix: { ipv4: 24, ipv6: 48 } }
jails:
  a: { filters: [postfix/relay-denied, sshd], bantime: { first: 1m, factor: 1.5, max: 8d1h, forget: 2w }, ports: all, observe: true }
  b: { filters: [postfix], ports: [22, 25, 30-40, domain], prefix: { ipv6: 128 }, maxretry: 1, findtime: 1s }
  c: { filters: [named], enabled: false }
  d:
    fail2ban:
      prefregex: "^a: <F-CONTENT>.+</F-CONTENT>$"
      failregex: ['it''s "\\\\d" \u00fc <HOST>', '^<ADDR>']
      ignoreregex: [x]
      datepattern: ['{^LN-BEG}', '%%Y']
      files: [/var/log/a.log, { path: /var/log/b/*.log, from: tail }]
      bans: file
      encoding: latin-1
      timezone: UTC+0200
      usedns: 'yes'
      ignore: [192.0.2.0/24, host.example, 'file:/etc/friends']
      increment: { factor: 1.5, formula: 'ban.Time * 2', multipliers: [1, 2], max: 1d, random: 1m, overall: true, remember: 2d }
    ports: [22, 53/udp]
    bantime: 5m
    findtime: 30d
  e: { fail2ban: { failregex: [<HOST>], maxlines: 3, journal: [[_COMM=a, _UID=0], [_COMM=b]], journal_directory: /j, journal_namespace: n }, ports: all, observe: true }
  f: { fail2ban: { failregex: [<HOST>], journal: [], usedns: 'no' }, ports: all, bantime: { first: 1m } }
fail2ban: { path: /etc/fail2ban }
limits: { message: 1536KiB, connections: 7, subjects: 1000, evidence: 1GiB }
`.replace('1536KiB', '96KiB');

/** The values as the tree they came from. */
function asYaml(values: readonly ConfigValue[]): string {
  const tree = new Map<string | number, unknown>();
  for (const { path, value } of values) {
    let at = tree;
    for (const step of path.slice(0, -1)) {
      const below = at.get(step);
      const next = below instanceof Map ? below : new Map<string | number, unknown>();
      at.set(step, next);
      at = next;
    }
    at.set(path.at(-1) ?? '', value);
  }
  const plain = (node: unknown): unknown => {
    if (!(node instanceof Map)) return node;
    const entries = [...node].map(([key, each]) => [key, plain(each)] as const);
    return entries.every(([key]) => typeof key === 'number') ? entries.map(([, each]) => each) : new Map(entries);
  };
  return stringify(plain(tree));
}

/** Lengths of bans as numbers: functions are equal to nothing but themselves. */
function withoutPlaces(config: Config) {
  const foreignJails = config.foreignJails.map(({ jail, within: _within, ...rest }) => {
    const { lengthMs, ...bantime } = jail.bantime;
    return { ...rest, line: 0, jail: { ...jail, bantime }, lengthsMs: lengthMs === undefined ? [] : [0, 1, 2, 9].map(lengthMs) };
  });
  return { ...config, foreignJails, allowlist: config.allowlist.map(({ prefix }) => prefix) };
}

for (const [name, text] of [
  ['a configuration that says everything', everything],
  ['one jail', oneJail],
] as const) {
  test(`what is in force of ${name} reads as the same configuration`, () => {
    const reading = read(text);
    assert.ok(reading.kind === 'config');
    const again = configOf(asYaml(configInForce(reading.config, reading.written)));
    assert.deepEqual(withoutPlaces(again), withoutPlaces(reading.config));
  });
}

test('each value says where it was written: in the jail, in the defaults, or nowhere', () => {
  const text =
    'defaults:\n  findtime: 1m\n  bantime: 2h\njails:\n  a:\n    filters: [sshd]\n    maxretry: 4\n  b:\n    filters:\n      - sshd\n    bantime:\n      first: 1m\n';
  const reading = read(text);
  assert.ok(reading.kind === 'config');
  const places = new Map(configInForce(reading.config, reading.written).map(({ path, value, from }) => [path.join('.'), [value, from]]));
  assert.deepEqual(places.get('jails.a.maxretry'), [4, 'sluice.yaml:7']);
  assert.deepEqual(places.get('jails.a.findtime'), ['1m', 'sluice.yaml:2']);
  assert.deepEqual(places.get('jails.a.bantime.max'), ['2h', 'sluice.yaml:3']);
  assert.deepEqual(places.get('jails.b.filters.0'), ['sshd', 'sluice.yaml:10']);
  assert.deepEqual(places.get('jails.b.bantime.first'), ['1m', 'sluice.yaml:12']);
  assert.deepEqual(places.get('jails.b.bantime.factor'), [2, null]);
  assert.deepEqual(places.get('jails.b.maxretry'), [5, null]);
});
