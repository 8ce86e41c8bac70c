import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { createNetworkPair } from '../support/netns.ts';

// Nothing is installed beside the package that could bring a Node.
process.env['PATH'] = [dirname(process.execPath), process.env['PATH']].join(delimiter);

/** What `npm pack` makes, unpacked where no source and no node_modules is near: what is not compiled in, or not packed, is missing here. */
describe('the npm package', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-package-'));
  const sluice = join(directory, 'package/bin/sluice');
  before(async () => {
    const checkout = fileURLToPath(new URL('../..', import.meta.url));
    const { stdout } = await execa('npm', ['pack', '--json', '--pack-destination', directory], { cwd: checkout, stdin: 'ignore' });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as readonly { readonly filename: string }[];
    await execa('tar', ['-xf', packed?.filename ?? '', '--no-same-owner'], { cwd: directory });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  const run = async (...args: readonly string[]) => {
    const { stdout, stderr, exitCode } = await execa(sluice, args, { reject: false, stdin: 'ignore', cwd: directory });
    return { stdout, stderr, exitCode };
  };

  test('holds the program, the rules, and the licences of all that is compiled in', async () => {
    const { version } = JSON.parse(readFileSync(join(directory, 'package/package.json'), 'utf8')) as { readonly version: string };
    assert.deepEqual(await run('--version'), { stdout: `sluice ${version}`, stderr: '', exitCode: 0 });
    assert.equal((await run('check', join(directory, 'package/rules/postfix.yaml'))).exitCode, 0);
    const licences = readFileSync(join(directory, 'package/dist/LICENSES'), 'utf8');
    for (const name of ['execa', 'ipaddr.js', 'prom-client', 'split2', 'valibot', 'yaml'])
      assert.match(licences, new RegExp(`^${name}$`, 'm'));
  });

  test('recognises a line with its own filter and with one of fail2ban', async () => {
    const line = 'Oct 18 01:20:09 mx sshd[7]: Failed password for root from 192.0.2.4 port 4711 ssh2';
    const filter = join(directory, 'stock.conf');
    writeFileSync(filter, '[Definition]\nfailregex = ^.*sshd\\[\\d+\\]: Failed password for \\S+ from <HOST>\n');
    for (const name of ['sshd', filter]) assert.match((await run('test', line, '--filter', name, '--json')).stdout, /"id":"192\.0\.2\.4"/);
  });

  test('runs, bans by native jails and by those whose expressions run in a thread, and keeps its compiled code', {
    skip: without('root', 'nft', 'ip', 'nsenter'),
  }, async (t) => {
    const network = createNetworkPair();
    const log = join(network.directory, 'mail.log');
    writeFileSync(log, '');
    const daemon = await startSluice(
      network,
      `metrics: off
sources: { own: files, journal: { enabled: false }, files: [{ path: ${log} }] }
jails:
  native: { filters: [postfix/relay-denied], maxretry: 1, ports: [25] }
  foreign: { fail2ban: { failregex: ['^.* imapd\\[\\d+\\]: refused <HOST>$'], files: [${log}] }, maxretry: 1, ports: [143] }`,
      sluice,
    );
    t.after(async () => {
      await daemon.stop();
      network.remove();
    });
    const stamp = new Date().toISOString();
    const reject =
      'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <v@example.com>: Relay access denied; from=<> to=<v@example.com> proto=ESMTP helo=<x>';
    appendFileSync(log, `${stamp} mx postfix/smtpd[99]: ${reject}\n${stamp} mx imapd[98]: refused 192.0.2.5\n`);
    for (const [jail, subject] of [
      ['native', '192.0.2.4/32'],
      ['foreign', '192.0.2.5/32'],
    ])
      await daemon.event((event) => event.kind === 'ban' && event.ban.jail === jail && event.ban.subject === subject);
    assert.equal(await daemon.stop(), 0);
    assert.ok(existsSync(join(directory, 'package/.cache')));
  });
});
