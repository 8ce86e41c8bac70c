import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import type { Journald } from './journald.ts';
import { cgroups } from './journald.ts';
import type { NetworkPair, Resident } from './netns.ts';

/** A real Postfix in the `host` namespace, which logs to the journald given; it serves example.test and relays for nobody. */
export interface Postfix {
  readonly stop: () => Promise<void>;
}

const mainCf = (directory: string) => `
compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.test
mydestination = example.test
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = all
local_recipient_maps = inline:{alice=alice}
local_transport = discard:
alias_maps =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
# Debian's default: open-relay attempts get "454 4.7.1 <...>: Relay access denied".
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
`;

const masterCf = `
smtp      inet  n       -       n       -       -       smtpd
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
discard   unix  -       -       n       -       -       discard
error     unix  -       -       n       -       -       error
anvil     unix  -       -       n       -       1       anvil
proxymap  unix  -       -       n       -       -       proxymap
`;

/** @throws if it does not answer on port 25 within 20 s, with what it wrote to stderr */
export async function startPostfix(network: NetworkPair, world: Resident, journald: Journald): Promise<Postfix> {
  // Not in the network's private directory: the user postfix must come through.
  const directory = mkdtempSync(join(tmpdir(), 'slu-postfix-'));
  chmodSync(directory, 0o755);
  for (const part of ['queue', 'data']) mkdirSync(join(directory, part));
  writeFileSync(join(directory, 'main.cf'), mainCf(directory));
  writeFileSync(join(directory, 'master.cf'), masterCf);
  await execa('chown', ['postfix:', join(directory, 'data')]);

  // In the cgroup in which Debian's unit runs it: the journal's trusted fields tell it from a user's logger.
  // Not `ip netns exec`: that hides the tree of cgroups behind a /sys of its own.
  const enter = [`--net=/run/netns/${network.host.name}`, ...journald.inside({ cgroup: cgroups.postfix }), 'postfix', '-c', directory];
  const postfix = execa('nsenter', [...enter, 'start-fg'], { reject: false, stdin: 'ignore', all: true, maxBuffer: 100_000 });
  let ended: string | undefined;
  void postfix.then(({ all }) => (ended = all));
  for (let tries = 0; (await world.connect({ host: '192.0.2.1', port: 25, timeoutMs: 1_000 })) !== 'open'; tries++) {
    if (ended !== undefined || tries === 200) throw new Error(`Postfix does not answer: ${ended ?? 'after 20 s'}`);
    await delay(100);
  }
  return {
    stop: async () => {
      await execa('nsenter', [...enter, 'abort'], { reject: false });
      postfix.kill('SIGKILL');
      await postfix;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A command to send, or the greeting to wait for; and the first line of the answer, `closed` at the end. */
export type Dialogue = readonly { readonly sent: string; readonly answer: string }[];

/** Speaks SMTP from the `world` namespace and ends with QUIT, as a client that tries the server as an open relay. */
export async function speakSmtp(
  network: NetworkPair,
  { from, to, commands }: { from: string; to: string; commands: readonly string[] },
): Promise<Dialogue> {
  const client = new URL('smtp-client.ts', import.meta.url).pathname;
  const node = ['netns', 'exec', network.world.name, process.execPath];
  const { stdout } = await execa('ip', [...node, client, from, to, '25', JSON.stringify([...commands, 'QUIT'])]);
  const dialogue: Dialogue = JSON.parse(stdout);
  return dialogue;
}

/** What an open-relay scanner says. */
export function relayAttempt(recipient = 'victim@example.com', sender = 'spammer@example.net'): readonly string[] {
  return ['EHLO WIN-SCAN', `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`];
}

/**
 * Debian's way: rsyslogd inside journald's namespaces takes what journald forwards, and hands it on as the configuration says.
 *
 * @throws if it does not listen within 20 s, with what it wrote to stderr
 */
export async function startRsyslog(
  network: NetworkPair,
  journald: Journald,
  actions: string,
): Promise<{ readonly stop: () => Promise<void> }> {
  const directory = join(network.directory, 'rsyslog');
  mkdirSync(directory);
  const configuration = join(directory, 'rsyslog.conf');
  writeFileSync(
    configuration,
    `global(workDirectory="${directory}")
module(load="imuxsock" SysSock.Name="/run/systemd/journal/syslog")
${actions}
`,
  );
  const enter = [`--net=/run/netns/${network.host.name}`, ...journald.inside({ cgroup: '/system.slice/rsyslog.service' })];
  const rsyslogd = execa('nsenter', [...enter, 'rsyslogd', '-n', '-i', join(directory, 'pid'), '-f', configuration], {
    reject: false,
    stdin: 'ignore',
    all: true,
    maxBuffer: 100_000,
  });
  let ended: string | undefined;
  void rsyslogd.then(({ all }) => (ended = all));
  // What journald forwards before the socket is there is lost.
  for (let tries = 0; !network.host.run('cat', '/proc/net/unix').includes('/run/systemd/journal/syslog'); tries++) {
    if (ended !== undefined || tries === 200) throw new Error(`rsyslogd does not listen: ${ended ?? 'after 20 s'}`);
    await delay(100);
  }
  return {
    stop: async () => {
      rsyslogd.kill('SIGKILL');
      await rsyslogd;
    },
  };
}
