import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { BannedList, formatJailList, jailTree } from '../../src/cli/show-tree.ts';
import type { JailStatus } from '../../src/control/protocol.ts';
import { serve } from '../control/running-control.ts';
import { createSampleDaemon, prefix, sampleBan, sampleJail, sampleStatus } from '../control/sample-daemon.ts';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { startFail2ban } from '../support/fail2ban-server.ts';
import { createNetworkPair } from '../support/netns.ts';
import { runSluice } from './running-command.ts';

// Whoever comes from fail2ban has scripts that read what fail2ban-client prints.

function treeOf(jail: JailStatus, subjects: readonly string[]): string {
  const banned = new BannedList(1);
  for (const subject of subjects) banned.add({ ...sampleBan, subject: prefix(subject) });
  return [...jailTree(jail, banned)].join('');
}

const needs = without('root', 'nft', 'ip', 'fail2ban-client');

describe('beside a real fail2ban with the same log and the same bans', { skip: needs }, () => {
  test('status and status JAIL are the same to the byte', async (t) => {
    const network = createNetworkPair();
    t.after(network.remove);
    const log = join(network.directory, 'auth.log');
    writeFileSync(log, '');
    const fail2ban = await startFail2ban(
      network.directory,
      `[login]\nenabled = true\nfilter = sshd\nbackend = polling\nlogpath = ${log}\nmaxretry = 3\nusedns = no\naction =\n`,
    );
    t.after(fail2ban.stop);
    const configuration = `
sources: { own: files, journal: { enabled: false }, files: [{ path: ${log} }] }
metrics: { listen: off, fail2ban_names: true }
jails:
  login: { filters: [sshd/failed-login], maxretry: 3 }
`;
    let sluice = await startSluice(network, configuration);
    t.after(() => sluice.stop());
    const both = async (...words: readonly string[]) => {
      const { stdout } = await sluice.command('status', ...words);
      return { ours: `${stdout}\n`, theirs: await fail2ban.client('status', ...words) };
    };
    const empty = await both('login');
    assert.equal(empty.ours, empty.theirs);

    const now = new Date();
    const stamp = `${now.toLocaleString('en-US', { month: 'short' })} ${String(now.getDate()).padStart(2)} ${now.toTimeString().slice(0, 8)}`;
    const failed = (address: string) => `${stamp} mx sshd[811]: Failed password for root from ${address} port 40112 ssh2\n`;
    for (const address of ['198.51.100.4', '198.51.100.5', '198.51.100.4', '203.0.113.6', '198.51.100.4'])
      appendFileSync(log, failed(address));
    await sluice.event((event) => event.kind === 'ban');
    const endMs = Date.now() + 20_000;
    while (!(await fail2ban.client('status', 'login')).includes('198.51.100.4')) {
      assert.ok(Date.now() < endMs, 'fail2ban bans it too');
      await pause(50); // it tells nobody
    }
    for (const target of ['203.0.113.9', '198.51.100.128/25']) {
      await sluice.command('ban', target, '--jail', 'login');
      await fail2ban.client('set', 'login', 'banip', target);
    }
    await sluice.command('ban', '2001:db8:100::9/128', '--jail', 'login');
    await fail2ban.client('set', 'login', 'banip', '2001:db8:100::9');
    while (!(await fail2ban.client('status', 'login')).includes('2001:')) await pause(50);

    const full = await both('login');
    assert.match(full.theirs, /Currently failed:\t2\n.*Total failed:\t5\n.*auth\.log\n.*\n.*Currently banned:\t4\n/);
    assert.equal(full.ours, full.theirs);

    const all = await both();
    assert.ok(all.ours.endsWith(`\n\n${all.theirs}`), all.ours);
    assert.equal(all.theirs, 'Status\n|- Number of jail:\t1\n`- Jail list:\tlogin\n');

    await sluice.stop();
    sluice = await startSluice(network, configuration);
    const again = await both('login');
    assert.match(again.ours, /Currently banned:\t4\n {3}\|- Total banned:\t4\n/, 'a restart brings bans back, and counts them');
    const metrics = (await sluice.command('metrics')).stdout;
    for (const series of ['banned_current{jail="login"} 4', 'banned_total{jail="login"} 4', 'failed_current{jail="login"} 2'])
      assert.ok(metrics.includes(`\nf2b_jail_${series}\n`), series);
  });
});

describe('the tree of a jail', () => {
  test('has the journal matches where there is no file, as fail2ban joins them', () => {
    const journal = ['_SYSTEMD_UNIT=postfix.service', '_COMM=smtpd'];
    assert.equal(
      treeOf({ ...sampleJail, journal, files: [] }, ['192.0.2.4']).split('\n')[4],
      '|  `- Journal matches:\t_SYSTEMD_UNIT=postfix.service + _COMM=smtpd',
    );
    assert.equal(treeOf({ ...sampleJail, journal: [], files: [] }, []).split('\n')[4], '|  `- File list:\t');
  });

  test('leaves would-be bans out', () => {
    const banned = new BannedList(1);
    banned.add({ ...sampleBan, observe: true });
    const text = [...jailTree({ ...sampleJail, observe: true }, banned)].join('');
    assert.match(text, /Currently banned:\t0\n {3}\|- Total banned:\t0\n {3}`- Banned IP list:\t\n$/);
  });

  test('holds a long list in pieces, every address once and in order', () => {
    const addresses = Array.from({ length: 2_500 }, (_, index) => `198.51.${100 + (index >> 8)}.${index & 255}`);
    const banned = new BannedList(2);
    for (const [index, each] of addresses.entries()) {
      banned.add({ ...sampleBan, subject: prefix(each), since: new Date(1_000 * index).toISOString() });
    }
    assert.equal([...banned.pieces()].join(''), addresses.join(' '));
    assert.ok([...banned.pieces()].length < 4);
    assert.deepEqual(
      banned.latest().map(({ subject }) => subject),
      ['198.51.109.194/32', '198.51.109.195/32'],
    );
  });

  test('escapes names that could draw another tree', () => {
    assert.match(treeOf({ ...sampleJail, name: 'a\nb', files: ['/x\u001b[2J'], journal: [] }, []), /^Status for the jail: a\\x0ab\n/);
  });
});

test('the list of jails has those that work, sorted, and manual once somebody banned by hand', () => {
  const manual = { ...sampleJail, name: 'manual', bansNow: 0, bansTotal: 0, restored: 0 };
  assert.match(formatJailList([...sampleStatus.jails, manual]), /Number of jail:\t2\n`- Jail list:\tpostfix-auth, postfix-noise\n$/);
  assert.match(
    formatJailList([{ ...manual, restored: 1 }, ...sampleStatus.jails]),
    /Number of jail:\t3\n`- Jail list:\tmanual, postfix-auth/,
  );
});

/** Taken from the ways in which monitoring and cron jobs read the tree. */
const habits: readonly [pipe: string, expected: string][] = [
  ["grep 'Currently banned' | awk '{print $NF}'", '2'],
  ["grep 'Currently banned:' | awk '{print $4}'", '2'],
  ["grep 'Banned IP list' | cut -f2", '203.0.113.9 198.51.100.7'],
  ['tail -n 1 | cut -d: -f2 | xargs -n1', '203.0.113.9\n198.51.100.7'],
  ["grep 'Banned IP list:' | cut -d: -f2 | sed 's/^[ \\t]*//'", '203.0.113.9 198.51.100.7'],
  ["awk -F'\\t' '/Total failed/ {print $2}'", '149'],
  ["grep -oP 'Currently failed:\\s+\\K\\d+'", '20'],
  ['grep -c banned:', '2'],
  ["grep 'File list' | sed -E 's/.*:\\s+//'", '/var/log/mail.log'],
  ["grep -oE '([0-9]{1,3}\\.){3}[0-9]{1,3}' | sort -u | wc -l", '2'],
  ['sed -n 9p', '   `- Banned IP list:\t203.0.113.9 198.51.100.7'],
];

const python = `
import re, sys
out = sys.stdin.read()
fields = {name: int(re.search(name + r":\\s*(\\d+)", out).group(1)) for name in ("Currently failed", "Total failed", "Currently banned", "Total banned")}
rows = [line.split("\\t", 1)[1] for line in out.split("\\n") if "\\t" in line]
addresses = re.search(r"Banned IP list:\\s*(.*)", out).group(1).split()
strict = re.match(r"^Status for the jail: (.*)\\n\\|- Filter\\n\\|  \\|- Currently failed:\\t(\\d+)\\n\\|  \\|- Total failed:\\t(\\d+)\\n(?:\\|  [|\`]- .*\\n)+\`- Actions\\n   \\|- Currently banned:\\t(\\d+)\\n   \\|- Total banned:\\t(\\d+)\\n   \`- Banned IP list:\\t(.*)\\n$", out)
print(sorted(fields.values()), len(rows), addresses, strict is not None)
`;

describe('what scripts make of the output', () => {
  const jail = { ...sampleJail, journal: [] };
  const bans = [sampleBan, { ...sampleBan, subject: prefix('198.51.100.7') }];
  const api = { jail: () => jail, bans: () => bans };

  test('is what they make of that of fail2ban-client', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon(api).api);
    const { stdout } = await runSluice(['status', 'postfix-auth', '--socket', socketPath]);
    for (const [pipe, expected] of habits) {
      const got = spawnSync('sh', ['-c', pipe], { input: stdout, encoding: 'utf8' });
      assert.equal(got.stdout.trimEnd(), expected, pipe);
    }
    const regexes = spawnSync('python3', ['-c', python], { input: stdout, encoding: 'utf8' });
    assert.equal(regexes.stdout, "[2, 13, 20, 149] 6 ['203.0.113.9', '198.51.100.7'] True\n", regexes.stderr);
  });

  test('of bare status, that of the list of jails', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { stdout } = await runSluice(['status', '--socket', socketPath]);
    for (const [pipe, expected] of [
      ["grep 'Jail list' | sed -E 's/^[^:]+:[ \\t]+//' | sed 's/,//g'", 'postfix-auth postfix-noise'],
      ["grep 'Jail list:' | cut -f2", 'postfix-auth, postfix-noise'],
      ["grep 'Number of jail' | awk '{print $NF}'", '2'],
      ['tail -1 | cut -d: -f2 | tr -d "[:space:]"', 'postfix-auth,postfix-noise'],
    ] as const) {
      const got = spawnSync('sh', ['-c', pipe], { input: stdout, encoding: 'utf8' });
      assert.equal(got.stdout.trimEnd(), expected, pipe);
    }
  });
});
