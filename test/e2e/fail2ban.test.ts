import assert from 'node:assert/strict';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { without } from '../environment.ts';
import { type RunningDaemon, startSluice } from '../support/daemon.ts';
import { cgroups, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';

/**
 * The configuration of Debian's fail2ban package, with a jail.local as an administrator has one, run by sluice against a real packet filter. Nothing of
 * it is changed; what is written here is what people write.
 */
const skip = without('root', 'nft', 'ip', 'fail2ban-client');

interface Scene {
  readonly network: NetworkPair;
  readonly fail2ban: string;
  readonly sluice: RunningDaemon;
  readonly write: (log: string, ...lines: readonly string[]) => void;
  readonly elements: () => string;
}

/** @param jails what stands in jail.local, with `LOGS` for the directory of the logs */
async function start(t: TestContext, jails: string, files: Readonly<Record<string, string>> = {}, yaml = ''): Promise<Scene> {
  const network = createNetworkPair();
  const fail2ban = join(network.directory, 'fail2ban');
  cpSync('/etc/fail2ban', fail2ban, { recursive: true });
  rmSync(join(fail2ban, 'jail.d'), { recursive: true, force: true });
  const logs = join(network.directory, 'log');
  mkdirSync(logs);
  writeFileSync(join(fail2ban, 'jail.local'), jails.replaceAll('LOGS', logs).replaceAll('DIR', network.directory));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(fail2ban, name), text.replaceAll('DIR', network.directory));
  for (const name of ['mail.log', 'auth.log']) writeFileSync(join(logs, name), '');
  const sluice = await startSluice(network, `metrics: off\nfail2ban: { path: ${fail2ban} }\n${yaml}`);
  t.after(async () => {
    await sluice.stop();
    network.remove();
  });
  return {
    network,
    fail2ban,
    sluice,
    write: (log, ...lines) => appendFileSync(join(logs, log), lines.map((line) => `${line}\n`).join('')),
    elements: () => network.host.run('nft', 'list', 'table', 'inet', 'sluice'),
  };
}

function stamp(): string {
  const [, month, day, time] = /^\w+ (\w+) (\d+) \d+ (\S+)/.exec(new Date().toString()) ?? [];
  return `${month} ${String(Number(day)).padStart(2)} ${time}`;
}
const reject = (address: string): string =>
  `${stamp()} mx postfix/smtpd[99]: NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>`;
const failed = (address: string, user = 'root'): string =>
  `${stamp()} mx sshd[${pid++}]: Failed password for ${user} from ${address} port 4711 ssh2`;
let pid = 1_000;

const banOf = (jail: string) => (event: { readonly kind: string; readonly ban?: { readonly jail: string } }) =>
  event.kind === 'ban' && event.ban?.jail === jail;

/** Resolves when the file holds the text. */
async function holds(path: string, text: string): Promise<string> {
  const found = (): string | undefined => {
    const now = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return now.includes(text) ? now : undefined;
  };
  const { promise, resolve, reject: fail } = Promise.withResolvers<string>();
  const look = (): void => {
    const now = found();
    if (now !== undefined) resolve(now);
  };
  const watcher = watch(join(path, '..'), look);
  const limit = setTimeout(
    () => fail(new Error(`${path} does not hold ${text}: ${existsSync(path) ? readFileSync(path, 'utf8') : 'no file'}`)),
    20_000,
  );
  look();
  return promise.finally(() => {
    watcher.close();
    clearTimeout(limit);
  });
}

describe("fail2ban's configuration, run by sluice", { skip }, () => {
  test('stock jails ban by their files, and recidive bans for what they banned', async (t) => {
    const { sluice, write, elements } = await start(
      t,
      `[DEFAULT]\nbantime = 20m\nbanaction = nftables-multiport\nbanaction_allports = nftables-allports\nignoreip = 192.0.2.77
[postfix]\nenabled = true\nlogpath = LOGS/mail.log\nmaxretry = 2
[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 3
[recidive]\nenabled = true\nmaxretry = 2\n`,
    );
    write(
      'mail.log',
      reject('192.0.2.77'),
      reject('192.0.2.77'),
      reject('192.0.2.4'),
      `${stamp()} mx postfix/smtpd[99]: connect from unknown[192.0.2.9]`,
      reject('192.0.2.4'),
    );
    await sluice.event(banOf('postfix'));
    write('auth.log', failed('192.0.2.4'), failed('192.0.2.4'), failed('192.0.2.4'));
    await sluice.event(banOf('sshd'));
    const third = await sluice.event(banOf('recidive'));
    assert.ok(third.kind === 'ban');
    assert.equal(third.ban.subject, '192.0.2.4/32');
    const { exitCode, stdout } = await sluice.command('status', 'postfix');
    assert.equal(exitCode, 0);
    assert.match(stdout, /Currently banned:\t1\n.*Total banned:\t1\n.*Banned IP list:\t192\.0\.2\.4/);
    assert.match(stdout, /File list:\t\S+\/log\/mail\.log/);
    assert.match(elements(), /192\.0\.2\.4/);
    assert.doesNotMatch(elements(), /192\.0\.2\.77/);
    assert.match(sluice.log(), /\[postfix\] Ignore 192\.0\.2\.77 by ip/);
    const { bans } = await sluice.ask.get<{ bans: readonly { jail: string; subject: string }[] }>('/v1/bans');
    assert.deepEqual(bans.map(({ jail, subject }) => `${jail} ${subject}`).toSorted(), [
      'postfix 192.0.2.4/32',
      'recidive 192.0.2.4/32',
      'sshd 192.0.2.4/32',
    ]);
  });

  test('an action of its own runs with the log text in its environment, and ignorecommand is asked', async (t) => {
    const { sluice, write, network, elements } = await start(
      t,
      `[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 2\naction = tell
ignorecommand = test "<ip>" = 192.0.2.8\n`,
      {
        'action.d/tell.conf': `[Definition]\nactionstart = echo started <name> >> DIR/told\nactionstop = echo stopped >> DIR/told
actionban = printf '%%s\\n' "banned <ip> <failures>" "<matches>" >> DIR/told\nactionunban = echo unbanned <ip> >> DIR/told\n`,
      },
    );
    const told = join(network.directory, 'told');
    await holds(told, 'started sshd');
    const hostile = '$(touch DIR/evil)`touch DIR/evil`";\'x'.replaceAll('DIR', network.directory);
    write('auth.log', failed('192.0.2.8'), failed('192.0.2.8'), failed('192.0.2.5', hostile), failed('192.0.2.5', hostile));
    const text = await holds(told, `Failed password for ${hostile} from 192.0.2.5`);
    assert.match(text, /banned 192\.0\.2\.5 2\n/);
    assert.equal(existsSync(join(network.directory, 'evil')), false);
    assert.doesNotMatch(text, /192\.0\.2\.8/);
    // Its commands carry the ban out; our sets do not hold it.
    assert.doesNotMatch(elements(), /192\.0\.2\.5/);
    await sluice.command('unban', '192.0.2.5');
    await holds(told, 'unbanned 192.0.2.5');
    await sluice.stop();
    await holds(told, 'stopped');
  });

  test('bans by hand reach the actions of a jail, and a reload keeps what its actions hold', async (t) => {
    const jail = (action: string, more = ''): string =>
      `[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 2\naction = ${action}\n${more}`;
    const tell = (prefix: string): string =>
      ['start', 'stop', 'ban', 'unban'].reduce(
        (text, what) => `${text}action${what} = echo ${prefix}${what} <ip> <restored> >> DIR/told\n`,
        '[Definition]\n',
      );
    const { sluice, write, network, fail2ban, elements } = await start(t, jail('tell'), {
      'action.d/tell.conf': tell(''),
      'action.d/other.conf': tell('other '),
    });
    const told = join(network.directory, 'told');
    await sluice.command('ban', '192.0.2.21', '--jail', 'sshd');
    await holds(told, 'ban 192.0.2.21 0');
    await sluice.command('ban', '198.51.100.0/24', '--jail', 'sshd');
    await holds(told, 'ban 198.51.100.0/24 0');
    assert.doesNotMatch(elements(), /192\.0\.2\.21/);
    await sluice.command('unban', '198.51.100.0/24');
    const before = await holds(told, 'unban 198.51.100.0/24');

    const local = join(fail2ban, 'jail.local');
    const logs = join(network.directory, 'log');
    writeFileSync(local, jail('tell', 'findtime = 900\n').replaceAll('LOGS', logs));
    await sluice.command('reload');
    write('auth.log', failed('192.0.2.22'), failed('192.0.2.22'));
    const after = await holds(told, 'ban 192.0.2.22 0');
    assert.equal(after, `${before}ban 192.0.2.22 0\n`);

    writeFileSync(local, jail('other').replaceAll('LOGS', logs));
    await sluice.command('reload');
    const other = await holds(told, 'other ban 192.0.2.22 1');
    const lines = other.slice(after.length).trim().split('\n');
    assert.deepEqual(lines.slice(0, 2).toSorted(), ['unban 192.0.2.21 0', 'unban 192.0.2.22 0']);
    assert.deepEqual(lines.slice(2, 4), ['stop 0', 'other start 0']);
    assert.deepEqual(lines.slice(4).toSorted(), ['other ban 192.0.2.21 1', 'other ban 192.0.2.22 1']);
  });

  test('a broken filter disables its jail alone; a name that is native too is refused', async (t) => {
    const { sluice, write } = await start(
      t,
      `[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 1
[broken]\nenabled = true\nfilter = broken\nlogpath = LOGS/auth.log
[postfix]\nenabled = true\nlogpath = LOGS/mail.log\naction = smtp.py\n`,
      { 'filter.d/broken.conf': '[Definition]\nfailregex = ^from <HOST> (\n' },
    );
    write('auth.log', failed('192.0.2.6'));
    await sluice.event(banOf('sshd'));
    const status = await sluice.status(() => true);
    const disabled = status.jails.filter(({ disabled: why }) => why !== null);
    assert.deepEqual(disabled.map(({ name }) => name).toSorted(), ['broken', 'postfix']);
    assert.match(disabled.find(({ name }) => name === 'broken')?.disabled ?? '', /filter\.d\/broken\.conf:2: failregex: /);
    assert.match(sluice.log(), /jail broken is left out: /);
    assert.match(sluice.log(), /smtp\.py is a Python module/);

    const before = sluice.log().length;
    sluice.configure(`fail2ban: { path: ${status.config.file?.replace('sluice/sluice.yaml', 'fail2ban')} }
jails: { sshd: { filters: [sshd] } }\n`);
    const { exitCode, stderr, stdout } = await sluice.command('reload');
    assert.equal(exitCode, 78);
    assert.match(stdout + stderr, /the jail "sshd" is there twice: \S+sluice\.yaml:\d+, and \S+jail\.local:2/);
    assert.ok(before > 0);
  });

  test('a jail with backend = systemd reads what its journalmatch asks for', { skip: withoutJournald() }, async (t) => {
    const journald = await startJournald();
    t.after(() => journald.stop());
    const { sluice } = await start(
      t,
      `[sshd]\nenabled = true\nbackend = systemd[journalpath=${journald.directory}]\nmaxretry = 2\njournalmatch = _SYSTEMD_UNIT=ssh.service\n`,
    );
    const said = (address: string): string => `Failed password for root from ${address} port 4711 ssh2`;
    // The same words from elsewhere are no matter of the jail.
    await journald.log([said('192.0.2.11'), said('192.0.2.11')], { cgroup: cgroups.session, identifier: 'sshd' });
    await journald.log([said('192.0.2.12'), said('192.0.2.12')], { cgroup: cgroups.ssh, identifier: 'sshd' });
    const ban = await sluice.event(banOf('sshd'));
    assert.equal(ban.kind === 'ban' ? ban.ban.subject : undefined, '192.0.2.12/32');
    const { failures } = (await sluice.status(() => true)).jails.find(({ name }) => name === 'sshd') ?? {};
    assert.equal(failures, 2);
  });

  test('an expression that never ends is stopped, its jail disabled after three lines, and the others go on', async (t) => {
    const { sluice, write } = await start(
      t,
      `[bomb]\nenabled = true\nfilter = bomb\nlogpath = LOGS/auth.log\n[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 2\n`,
      { 'filter.d/bomb.conf': '[Definition]\nfailregex = bomb (?:a+)+ from <HOST>$\n' },
    );
    const bomb = `${stamp()} mx x: bomb ${'a'.repeat(60)}! from 192.0.2.99`;
    write('auth.log', failed('192.0.2.13'), bomb, bomb, bomb, bomb, failed('192.0.2.13'));
    await sluice.event(banOf('sshd'));
    const { jails, problems } = await sluice.status(({ jails }) =>
      jails.some(({ name, disabled }) => name === 'bomb' && disabled !== null),
    );
    assert.match(jails.find(({ name }) => name === 'bomb')?.disabled ?? '', /took too long three times \(\S+jail\.local:2\)/);
    assert.ok(problems.some((problem) => problem.startsWith('jail bomb is disabled')));
    const { exitCode } = await sluice.command('reload');
    assert.equal(exitCode, 0);
    await sluice.status(({ jails }) => jails.some(({ name, disabled }) => name === 'bomb' && disabled === null));
  });

  test('a kill loses no line and counts none twice', async (t) => {
    const scene = await start(t, `[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 5\n`);
    const { network, write } = scene;
    const yaml = `metrics: off\nfail2ban: { path: ${scene.fail2ban} }\n`;
    let { sluice } = scene;
    for (let life = 0; life < 4; life += 1) {
      write('auth.log', failed('192.0.2.14'));
      // Killed while the line is anywhere between the file and the store.
      await sluice.stop('SIGKILL');
      sluice = await startSluice(network, yaml);
    }
    t.after(() => sluice.stop());
    await sluice.status(({ sources }) => sources.some(({ name, records, up }) => up && name.endsWith('auth.log') && records >= 0));
    assert.doesNotMatch(await sluice.command('list').then(({ stdout }) => stdout), /192\.0\.2\.14/);
    write('auth.log', failed('192.0.2.14'));
    const ban = await sluice.event(banOf('sshd'));
    assert.equal(ban.kind === 'ban' ? ban.failures : undefined, 5);
  });

  test('a reload keeps windows and positions', async (t) => {
    const { sluice, write, fail2ban } = await start(t, `[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 3\n`);
    write('auth.log', failed('192.0.2.7'), failed('192.0.2.7'));
    await sluice.status(({ jails }) => jails.some(({ name, failures }) => name === 'sshd' && failures === 2));
    appendFileSync(join(fail2ban, 'jail.local'), '[postfix]\nenabled = true\nlogpath = /var/log/none.log\n');
    const { stdout, stderr } = await sluice.command('reload');
    assert.match(stdout + stderr, /jail postfix is new/);
    write('auth.log', failed('192.0.2.7'));
    const ban = await sluice.event(banOf('sshd'));
    assert.equal(ban.kind === 'ban' ? ban.failures : undefined, 3);
  });
});
