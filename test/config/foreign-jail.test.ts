import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configOf, read, shownMistakes } from './sample.ts';

const minimal = "{ failregex: ['^bad <HOST>$'], files: [/var/log/a.log] }";

/** What is shown of a jail with these keys beside a filter that is right. */
function mistakesOf(text: string): string {
  const reading = read(text);
  assert.equal(reading.kind, 'mistakes');
  return shownMistakes(reading, text);
}

describe("a jail in fail2ban's dialect", () => {
  const [jail] = configOf(`jails: { a: { fail2ban: ${minimal}, ports: [ssh], bantime: 10m } }`).foreignJails;

  test('is beside the native ones, not among them', () => {
    assert.deepEqual(configOf(`jails: { a: { fail2ban: ${minimal}, ports: all } }`).jails, []);
    assert.equal(jail?.jail.name, 'a');
    assert.deepEqual(jail.jail.filters, ['fail2ban:a']);
  });
  test('bans single addresses, each time for as long, unless it says otherwise', () => {
    assert.deepEqual(jail?.jail.prefix, { ipv4: 32, ipv6: 128 });
    assert.deepEqual(jail.jail.bantime, { firstMs: 600_000, factor: 1, maxMs: 600_000, forgetMs: 0 });
  });
  test('matches names and bans nobody for them, as fail2ban without being told', () => {
    assert.deepEqual(jail?.texts, {
      failregex: ['^bad <HOST>$'],
      ignoreregex: [],
      prefregex: undefined,
      datepattern: [],
      maxlines: 1,
      usedns: 'warn',
      logtimezone: undefined,
    });
  });
  test('knows where it is written', () => assert.deepEqual([jail?.file, jail?.line], ['sluice.yaml', 1]));

  test('reads entries of the journal that fit one of its lists', () => {
    const { foreignJails } = configOf(
      "jails: { a: { fail2ban: { failregex: ['<HOST>'], journal: [[_SYSTEMD_UNIT=a.service, _COMM=a], [_COMM=b]], journal_namespace: mail }, ports: all } }",
    );
    assert.deepEqual(foreignJails[0]?.reading, {
      kind: 'journal',
      matches: [['_SYSTEMD_UNIT=a.service', '_COMM=a'], ['_COMM=b']],
      directory: undefined,
      namespace: 'mail',
    });
  });
  test('grows its bans by a formula', () => {
    const { foreignJails } = configOf(
      `jails: { a: { fail2ban: { failregex: ['<HOST>'], bans: file, increment: { formula: 'ban.Time * (1 << ban.Count) * banFactor', factor: 3, max: 1d, random: 10m } }, ports: all, bantime: 10m } }`,
    );
    const lengthMs = foreignJails[0]?.jail.bantime.lengthMs ?? assert.fail();
    // The random number is 0.5 here: five minutes on top.
    assert.deepEqual([0, 1, 2, 20].map(lengthMs), [600_000, 3_600_000 + 300_000, 7_200_000 + 300_000, 86_400_000 + 300_000]);
  });
});

const mistakes: readonly [name: string, text: string, shown: string][] = [
  [
    'a broken expression, with the place within the text',
    `jails:
  a:
    ports: all
    fail2ban:
      failregex: ['it''s <HOST>', '^bad ( <HOST>$']
      files: [/a]`,
    `sluice.yaml:5:41: this group is never closed
    5 |       failregex: ['it''s <HOST>', '^bad ( <HOST>$']
      |                                         ^
  help: write \\( for the character itself
1 mistake`,
  ],
  [
    'an expression that names nobody',
    "jails: { a: { ports: all, fail2ban: { failregex: ['it''s bad'], files: [/a] } } }",
    `sluice.yaml:1:52: nothing in this expression says who is to be banned
    1 | jails: { a: { ports: all, fail2ban: { failregex: ['it''s bad'], files: [/a] } } }
      |                                                    ^^^^^^^^^
  help: put <HOST> where the address stands
1 mistake`,
  ],
  [
    'a broken formula',
    `jails: { a: { ports: all, bantime: 10m, fail2ban: { failregex: ['<HOST>'], files: [/a], increment: { formula: "ban.Time * tan(1)" } } } }`,
    `sluice.yaml:1:123: the function "tan" is not known`,
  ],
  [
    'both kinds of filter',
    `jails: { a: { filters: [sshd], fail2ban: ${minimal} } }`,
    'sluice.yaml:1:32: a jail has "filters" or "fail2ban", not both',
  ],
  [
    'no ports',
    `jails: { a: { fail2ban: ${minimal} } }`,
    `sluice.yaml:1:10: "ports" is missing in jails.a: fail2ban's filters do not say what to close`,
  ],
  [
    'nowhere to read',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'] } } }",
    'sluice.yaml:1:27: nothing says where the jail reads',
  ],
  [
    'two places to read',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'], files: [/a], journal: [] } } }",
    'sluice.yaml:1:75: a jail reads "files" or the "journal", not both',
  ],
  [
    'somebody to spare who is nobody',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'], files: [/a], ignore: [192.0.2.0/33] } } }",
    'sluice.yaml:1:84: found "192.0.2.0/33", wanted an address',
  ],
  [
    'an encoding nobody knows',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'], files: [/a], encoding: latin-99 } } }",
    'sluice.yaml:1:85: found "latin-99", wanted an encoding',
  ],
  [
    'a zone nobody knows',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'], files: [/a], timezone: Europe/Berlin } } }",
    'sluice.yaml:1:85: "Europe/Berlin" is no time zone that logtimezone can have',
  ],
  [
    'growth in two places',
    `jails: { a: { ports: all, bantime: { first: 1m }, fail2ban: { failregex: ['<HOST>'], files: [/a], increment: {} } } }`,
    'sluice.yaml:1:99: bans grow by "increment" or by a mapping at "bantime", not by both',
  ],
  [
    'raw names',
    "jails: { a: { ports: all, fail2ban: { failregex: ['<HOST>'], files: [/a], usedns: raw } } }",
    'sluice.yaml:1:83: found "raw", wanted "warn" or "yes" or "no"',
  ],
];

describe('a mistake in it is shown where it stands', () => {
  for (const [name, text, shown] of mistakes) {
    test(name, () => {
      const found = mistakesOf(text);
      assert.equal(found.slice(0, shown.length), shown, found);
    });
  }
});
