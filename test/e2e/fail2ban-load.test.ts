import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { createNetworkPair } from '../support/netns.ts';

const skip = without('root', 'nft', 'ip', 'fail2ban-client');

function scene(t: TestContext) {
  const network = createNetworkPair();
  t.after(() => network.remove());
  const fail2ban = join(network.directory, 'fail2ban');
  cpSync('/etc/fail2ban', fail2ban, { recursive: true });
  rmSync(join(fail2ban, 'jail.d'), { recursive: true, force: true });
  const logs = join(network.directory, 'log');
  mkdirSync(logs);
  const log = join(logs, 'auth.log');
  writeFileSync(log, '');
  const jails = (text: string): void => writeFileSync(join(fail2ban, 'jail.local'), text.replaceAll('LOGS', logs));
  return { network, logs, log, jails, yaml: `metrics: off\nfail2ban: { path: ${fail2ban} }\n` };
}

function stamp(): string {
  const [, month, day, time] = /^\w+ (\w+) (\d+) \d+ (\S+)/.exec(new Date().toString()) ?? [];
  return `${month} ${String(Number(day)).padStart(2)} ${time}`;
}
let pid = 1_000;
const failed = (address: string): string => `${stamp()} mx sshd[${pid++}]: Failed password for root from ${address} port 4711 ssh2\n`;

describe('jails of fail2ban with thousands of lines on their way', { skip }, () => {
  test('lose no line and count none twice, through reloads that open their log anew and through kills', async (t) => {
    const { network, log, jails, yaml } = scene(t);
    const [addresses, lives, each] = [50, 3, 80];
    // The begin of reading follows findtime, so that the log is opened anew; two jails, of which one could have counted what the other had not.
    const write = (findtime: number): void =>
      jails(
        ['one', 'two']
          .map(
            (name) =>
              `[${name}]\nenabled = true\nfilter = sshd\nlogpath = LOGS/auth.log\nmaxretry = ${lives * each + 1}\nfindtime = ${findtime}\nbanaction = nftables-multiport\n`,
          )
          .join(''),
      );
    write(1_800);
    let sluice = await startSluice(network, yaml);
    t.after(() => sluice.stop());
    const everybody = Array.from({ length: addresses }, (_, index) => `198.51.100.${index + 1}`);
    for (let life = 0; life < lives; life += 1) {
      appendFileSync(log, Array.from({ length: each }, () => everybody.map(failed).join('')).join(''));
      await sluice.status(({ jails: all }) => all.some(({ failures }) => failures > 0));
      write(1_900 + life);
      assert.equal((await sluice.command('reload')).exitCode, 0);
      await sluice.stop('SIGKILL');
      sluice = await startSluice(network, yaml);
    }
    // Decided on behind all the others.
    appendFileSync(log, failed('192.0.2.77'));
    await sluice.status(({ jails: all }) => all.every(({ name, tracked }) => name === 'manual' || tracked === addresses + 1));
    const { bans: early } = await sluice.ask.get<{ bans: readonly unknown[] }>('/v1/bans');
    assert.equal(early.length, 0);
    appendFileSync(log, everybody.map(failed).join(''));
    await sluice.status(({ jails: all }) => all.every(({ name, bansNow }) => name === 'manual' || bansNow === addresses));
  });

  test('end within some seconds though a command that they ask hangs', async (t) => {
    const { network, log, jails, yaml } = scene(t);
    const hangs = `ignorecommand = touch LOGS/asked; sleep 1000\n`;
    jails(`[sshd]\nenabled = true\nlogpath = LOGS/auth.log\nmaxretry = 1\nbanaction = nftables-multiport\n${hangs}
[quick]\nenabled = true\nfilter = sshd\nlogpath = LOGS/auth.log\nmaxretry = 1\nbanaction = nftables-multiport\n`);
    const sluice = await startSluice(network, yaml);
    t.after(() => sluice.stop('SIGKILL'));
    appendFileSync(log, Array.from({ length: 50 }, (_, index) => failed(`198.51.100.${index + 1}`)).join(''));
    // The other jail does not wait.
    await sluice.status(({ jails: all }) => all.some(({ name, bansNow }) => name === 'quick' && bansNow === 50));
    const beganMs = performance.now();
    assert.equal(await sluice.stop(), 0);
    assert.ok(performance.now() - beganMs < 20_000);
  });

  test('read the logs of some hundred sites', async (t) => {
    const { network, logs, jails, yaml } = scene(t);
    const sites = join(logs, 'sites');
    mkdirSync(sites);
    for (let site = 0; site < 300; site += 1) writeFileSync(join(sites, `${site}.log`), '');
    jails(`[sshd]\nenabled = true\nlogpath = LOGS/sites/*.log\nmaxretry = 300\nbanaction = nftables-multiport\n`);
    const sluice = await startSluice(network, yaml);
    t.after(() => sluice.stop());
    for (let site = 0; site < 300; site += 1) appendFileSync(join(sites, `${site}.log`), failed('192.0.2.5'));
    const ban = await sluice.event(({ kind }) => kind === 'ban');
    assert.equal(ban.kind === 'ban' ? ban.failures : undefined, 300);
  });
});
