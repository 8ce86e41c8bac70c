import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConvertedActions, toForeignActions } from '../../../src/rules/fail2ban/foreign-actions.ts';
import { loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { without } from '../../environment.ts';

const stock = '/etc/fail2ban';

describe('actions that our sets do not replace', { skip: without('fail2ban-client') }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'slu-fa-'));
  const found = new Map<string, ConvertedActions>();
  const own: Readonly<Record<string, string>> = {
    'own-eval': 'actionban = eval "report <matches>"',
    'own-circle': 'actionban = report <a>\n[Init]\na = <b>\na?family=inet6 = <b>\nb = <a>\nb?family=inet6 = <a>',
    'own-timeout': 'actionban = report <ip>\n[Init]\ntimeout = soon',
    'own-quick':
      'actionban = report <ip>\nactionstart_on_demand = false\nnorestored = yes\nactionrepair_on_unban = 1\n[Init]\ntimeout = 1m\n[Init?family=inet6]\nfor = six',
  };

  before(() => {
    cpSync(stock, dir, { recursive: true });
    for (const [name, text] of Object.entries(own)) writeFileSync(join(dir, 'action.d', `${name}.conf`), `[Definition]\n${text}\n`);
    const names = readdirSync(join(dir, 'action.d')).flatMap((file) => /^(?!.*-common\.)(.*?)(?:\.conf|(?<=\.py))$/.exec(file)?.[1] ?? []);
    const jails = names.map((name) => `[${name}]\nenabled = true\nfilter =\nfailregex = ^<HOST>\nlogpath = /dev/null\naction = ${name}\n`);
    writeFileSync(join(dir, 'jail.conf'), `[DEFAULT]\nport = ssh\n${jails.join('')}`);
    rmSync(join(dir, 'jail.d'), { recursive: true, force: true });
    const { jails: read, disabled } = loadFail2ban(dir);
    assert.deepEqual(disabled, []);
    for (const { name, actions } of read) found.set(name, toForeignActions(actions));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const of = (name: string): ConvertedActions => {
    const converted = found.get(name);
    assert.ok(converted !== undefined, name);
    return converted;
  };

  test('are all of the stock ones, but for those of iptables and nftables and the one in Python', () => {
    const names = [...found.keys()].filter((name) => !name.startsWith('own-'));
    assert.ok(names.length > 55);
    for (const name of names) {
      const { actions, refused } = of(name);
      assert.equal(actions.length, /^(?:ip|nf)tables|\.py$/.test(name) ? 0 : 1, name);
      assert.equal(refused.length, name.endsWith('.py') ? 1 : 0, name);
    }
  });

  const refusals: readonly [name: string, why: RegExp][] = [
    ['smtp.py', /^smtp\.py is a Python module/],
    ['own-eval', /^actionban, <matches>: eval in the same command/],
    ['own-circle', /^actionban: a parameter names itself/],
    ['own-timeout', /^timeout: "soon" is not a length of time/],
  ];
  for (const [name, why] of refusals) {
    test(`${name} is refused, with its place`, () => {
      const { actions, refused } = of(name);
      assert.deepEqual(actions, []);
      assert.equal(refused.length, 1);
      assert.match(refused[0]?.why ?? '', why);
      assert.equal(refused[0]?.place.file, join(dir, 'jail.conf'));
      assert.ok((refused[0]?.place.line ?? 0) > 0);
    });
  }

  test('say how they are to be run', () => {
    const [quick] = of('own-quick').actions;
    assert.deepEqual([quick?.startOnDemand, quick?.notRestored, quick?.repairOnUnban, quick?.timeoutMs], [false, true, true, 60_000]);
    const [mail] = of('mail').actions;
    assert.deepEqual([mail?.startOnDemand, mail?.notRestored, mail?.repairOnUnban, mail?.timeoutMs], [false, true, false, 60_000]);
    assert.equal(of('cloudflare').actions[0]?.startOnDemand, true, 'the families differ');
  });

  const needs: readonly [name: string, needs: readonly string[]][] = [
    ['route', []],
    ['shorewall-ipset-proto6', []],
    ['abuseipdb', ['network: curl goes to other hosts']],
    ['hostsdeny', ['write: writes /etc/hosts.deny: ReadWritePaths=/etc']],
    ['ufw', ['root: ufw wants root, or more than CAP_NET_ADMIN']],
    [
      'mail-whois',
      [
        'mail: mail changes its group to hand mail over: NoNewPrivileges=no, and ReadWritePaths= for the spool',
        'network: whois goes to other hosts',
      ],
    ],
    [
      'nginx-block-map',
      [
        'root: nginx wants root, or more than CAP_NET_ADMIN',
        'write: writes /etc/nginx/blacklisted-sessions.map: ReadWritePaths=/etc/nginx',
      ],
    ],
  ];
  for (const [name, expected] of needs) {
    test(`${name} needs ${expected.length === 0 ? 'nothing that the unit does not grant' : expected.join(' and ')}`, () => {
      assert.deepEqual(
        of(name)
          .needs.map(({ kind, what }) => `${kind}: ${what}`)
          .toSorted(),
        expected,
      );
    });
  }
});
