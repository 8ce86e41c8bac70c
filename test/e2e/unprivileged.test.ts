import assert from 'node:assert/strict';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { without } from '../environment.ts';
import { cgroups, type Journald, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';

/** Somebody tries sluice on his own account, before he lets it near anything. */

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const nobody = 65_534;

/** An account in a network of its own, beside a journal that only root and the group systemd-journal may read. */
interface Account {
  readonly network: NetworkPair;
  readonly journald: Journald;
  /** Belongs to the account. */
  readonly home: string;
  readonly command: (
    ...args: readonly string[]
  ) => Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number | undefined }>;
  /** Starts the daemon. */
  readonly run: (...args: readonly string[]) => Started;
}

interface Started {
  /** What it says until it is ready. @throws if it ends before */
  readonly greeting: Promise<readonly string[]>;
  readonly log: () => string;
}

async function account(t: TestContext): Promise<Account> {
  const network = createNetworkPair();
  const journald = await startJournald();
  t.after(async () => {
    await journald.stop();
    network.remove();
  });
  await journald.log('a line, so that there is a journal', { cgroup: cgroups.postfix });
  const home = join(network.directory, 'home');
  for (const path of [network.directory, home, join(home, 'run')]) {
    mkdirSync(path, { recursive: true });
    chownSync(path, nobody, nobody);
  }
  const env = { PATH: '/usr/bin:/bin', HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), SLUICE_SOCKET: '', XDG_STATE_HOME: '' };
  const as = [`--net=/run/netns/${network.host.name}`, ...journald.inside({ uid: nobody, cgroup: cgroups.session }), sluice];
  return {
    network,
    journald,
    home,
    command: async (...args) => {
      const { stdout, stderr, exitCode } = await execa('nsenter', [...as, ...args], {
        env,
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
      });
      return { stdout, stderr, exitCode };
    },
    run: (...args) => {
      const daemon = execa('nsenter', [...as, 'run', ...args], { env, extendEnv: false, reject: false, stdin: 'ignore', buffer: false });
      t.after(() => daemon.kill('SIGKILL'));
      const lines: string[] = [];
      const greeting = new Promise<readonly string[]>((resolve, reject) => {
        createInterface({ input: daemon.stderr })
          .on('line', (line) => {
            lines.push(line.replace(/^\S+ \S+ /, ''));
            if (line.includes('  then: sluice status')) resolve([...lines]);
          })
          .on('close', () => reject(new Error(`sluice ended:\n${lines.join('\n')}`)));
      });
      greeting.catch(() => undefined); // asked for or not
      return {
        greeting,
        log: () => lines.join('\n'),
      };
    },
  };
}

const skip = without('root', 'nft', 'ip', 'setpriv') || withoutJournald();

describe('an ordinary user without a configuration', { skip }, () => {
  test('is told in about a dozen lines what is read, that nobody is banned and why, where the metrics are, and what to try', async (t) => {
    const user = await account(t);
    const daemon = user.run();
    const greeting = await daemon.greeting;
    const said = greeting.join('\n');
    assert.ok(greeting.length <= 15, said);
    assert.match(said, /built-in defaults \(no \/etc\/sluice\/sluice\.yaml\)/);
    // With or without log files that he may read, which is this machine's affair.
    assert.match(said, /journal .*can(?:not)? be read by this user \(groups? systemd-journal/, 'and what mends it');
    assert.match(said, /reads tcp:\/\/127\.0\.0\.1:5514/);
    assert.match(said, /observes only, nobody is banned: .*start it as root \("sudo sluice run"\)/);
    assert.match(said, /jails: postfix-relay, postfix-auth/);
    assert.match(said, /metrics: http:\/\/127\.0\.0\.1:9190\/metrics/);
    assert.match(said, new RegExp(`control: ${user.home}/run/sluice/control.sock`));
    // The command to try, tried.
    const tried = /try: sluice test '(.*)' --filter postfix/.exec(said)?.[1];
    assert.ok(tried !== undefined, said);
    const test = await user.command('test', tried, '--filter', 'postfix');
    assert.equal(test.exitCode, 0, test.stderr);
    assert.match(test.stdout, /relay-denied 192\.0\.2\.4/);

    const status = await user.command('status');
    assert.equal(status.exitCode, 0, status.stderr);
    assert.match(status.stdout, /observing: decides and shows, touches nothing/);
    const ban = await user.command('ban', '198.51.100.4');
    assert.equal(ban.exitCode, 0, ban.stderr);
    assert.match(ban.stdout, /only observed: not in the kernel/);
    assert.match((await user.command('explain', '198.51.100.4')).stdout, /is not banned/);
    assert.match((await user.command('list')).stdout, /198\.51\.100\.4.*observe/);
    assert.match(daemon.log(), /\[manual\] Would ban 198\.51\.100\.4/);
    assert.doesNotMatch(daemon.log(), /\] Ban /);
    assert.equal((await user.command('unban', '198.51.100.4')).exitCode, 0);
    assert.equal((await user.command('ping')).exitCode, 0);

    const metrics = user.network.host.run(
      process.execPath,
      '-e',
      "fetch('http://127.0.0.1:9190/metrics').then(async (r) => console.log(await r.text()))",
    );
    assert.match(metrics, /^sluice_enforcing 0$/m);
    assert.equal(user.network.host.run('nft', 'list', 'ruleset'), '');
  });

  test('who starts a second one is told so, before it reads or stores anything', async (t) => {
    const user = await account(t);
    await user.run().greeting;
    const second = await user.command('run');
    assert.equal(second.exitCode, 1);
    assert.match(second.stderr, /Another sluice answers on \S+control\.sock\. Stop it first/);
    assert.equal(second.stderr.trim().split('\n').length, 1, second.stderr);
    assert.equal((await user.command('ping')).exitCode, 0, 'the first goes on');
  });
});

describe('a configuration that asks for more than is permitted', { skip }, () => {
  test('nftables, the journal, a port of somebody else: each is said with what mends it, and the rest goes on', async (t) => {
    const user = await account(t);
    const config = join(user.home, 'sluice.yaml');
    const world = await user.network.host.resident();
    await world.listen(5514, '127.0.0.1');
    const metricsPort = await world.listen(0, '127.0.0.1');
    writeFileSync(
      config,
      `sources:
  own: journal
  syslog: [{ listen: tcp://127.0.0.1:5514, name: taken }, { listen: udp://127.0.0.1:5514, name: free }]
enforce: { mode: nftables }
metrics: { listen: 127.0.0.1:${metricsPort} }
jails: { postfix-relay: { filters: [postfix/relay-denied] } }
`,
    );
    const daemon = user.run('-c', config);
    await daemon.greeting;
    const said = daemon.log();
    assert.match(
      said,
      /WARNING .*nft is refused: .*Operation not permitted.*start it as root/,
      'nobody is banned, although he asked for it',
    );
    assert.match(said, /observes only, nobody is banned/);
    assert.match(said, /waits for taken: .*another program has this port\. "ss -Hltnp sport = :5514" shows which/);
    assert.match(said, /reads free: listening on udp:\/\/127\.0\.0\.1:5514/);
    assert.match(said, new RegExp(`ERROR .*127\\.0\\.0\\.1:${metricsPort}.* Metrics are not served`));
    const status = await user.command('status', '--json');
    assert.equal(status.exitCode, 0, status.stderr);
    const { sources } = JSON.parse(status.stdout) as { sources: { name: string; up: boolean; detail: string }[] };
    const journal = sources.find(({ name }) => name === 'journal');
    assert.equal(journal?.up, false);
    assert.match(journal.detail, /systemd-journal/);
  });

  test('a broken one is refused: every mistake, exit code 78, nothing started', async (t) => {
    const user = await account(t);
    const config = join(user.home, 'sluice.yaml');
    writeFileSync(config, 'metrics: on\njails:\n  relay: { filters: [postfix/relay-denid], maxretries: 2, findtime: 600 }\n');
    const { exitCode, stderr } = await user.command('run', '-c', config);
    assert.equal(exitCode, 78);
    for (const mistake of [/sluice\.yaml:1:10: /, /relay-denid.*relay-denied/s, /maxretries.*did you mean "maxretry"/s, /findtime/])
      assert.match(stderr, mistake);
    assert.match(stderr, /\^/);
    assert.match(stderr, /nothing was started/);
    assert.equal((await user.command('ping')).exitCode, 4);
  });
});
