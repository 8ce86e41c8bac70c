import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Explanation } from '../../src/control/protocol.ts';
import type { DaemonEvent } from '../../src/control/event.ts';
import { unpainted } from '../../src/cli/paint.ts';
import { formatBans } from '../../src/cli/show-bans.ts';
import { formatConfig } from '../../src/cli/show-config.ts';
import { formatEvent } from '../../src/cli/show-events.ts';
import { formatExplanation } from '../../src/cli/show-explanation.ts';
import { formatJail, formatStatus } from '../../src/cli/show-status.ts';
import { parse } from 'yaml';
import { address, prefix, sampleBan, sampleBans, sampleJail, sampleNowMs, sampleStatus } from '../control/sample-daemon.ts';

// The exact texts: what people read, and copy into tickets.
process.env['TZ'] = 'Europe/Berlin';

const minutesFromNow = (minutes: number): string => new Date(sampleNowMs + minutes * 60_000).toISOString();

/** Written with a margin, so that it stands in the file as on the screen, tabs apart. */
function text(strings: TemplateStringsArray): string {
  return (strings.raw[0] ?? '')
    .replace(/^\n/, '')
    .replaceAll(/^ {4}/gm, '')
    .replace(/ *$/, '')
    .replaceAll('\\`', '`')
    .replaceAll('\\t', '\t');
}

describe('status', () => {
  test('says whether all is well, what is read, what the jails did', () => {
    assert.equal(
      formatStatus(sampleStatus, sampleNowMs, unpainted),
      text`
    sluice 0.1.0, ready, up 3 h 12 min, pid 4711
    bans go to nftables
    configuration: /etc/sluice/sluice.yaml, loaded 2026-11-22 17:26:06 +01:00 (3 h 12 min ago)

    SOURCE      STATE  RECORDS  LAST RECORD    LAG  ERRORS           LOST          DETAIL
    journal     up        1204      2 s ago  210ms  -                suppressed 3  journalctl
    syslog-tcp  DOWN         0            -      -  framing 2, io 1  -             tcp://127.0.0.1:5514: the port is taken

    JAIL           BANNED  BANS  FAILURES  MATCHES  TRACKED
    postfix-auth        2    12       140      151       20
    postfix-noise       0     0         9        9        4  observe: would be banned
    old                 0     0         0        0        0  DISABLED: its filter is broken

    Status
    |- Number of jail:\t2
    \`- Jail list:\tpostfix-auth, postfix-noise
    `,
    );
  });

  test('puts what is wrong on top, and why nothing is enforced', () => {
    const broken = {
      ...sampleStatus,
      ready: false,
      mode: { enforce: 'observe' as const, because: 'no CAP_NET_ADMIN' },
      problems: ['the disk is full: \u001b[2J'],
      config: { ...sampleStatus.config, file: null },
      sources: [],
      jails: [],
    };
    assert.equal(
      formatStatus(broken, sampleNowMs, unpainted),
      text`
    sluice 0.1.0, not ready, up 3 h 12 min, pid 4711
    observing: decides and shows, touches nothing (no CAP_NET_ADMIN)
    configuration: built-in defaults, loaded 2026-11-22 17:26:06 +01:00 (3 h 12 min ago)
    ! the disk is full: \x1b[2J

    ! nothing is read: no source is configured

    ! no jails: nobody will be banned

    Status
    |- Number of jail:\t0
    \`- Jail list:\t
    `,
    );
  });

  test('of a jail tells filters, policy, counts and the latest whom it holds', () => {
    assert.equal(
      formatJail(sampleJail, [sampleBan], 103, sampleNowMs, unpainted),
      text`
    jail postfix-auth (/etc/sluice/sluice.yaml:20)
      filters  postfix/sasl-failed
      policy   5 failures within 30m: banned for 1h, then x2 for each return within 4w, at most 4w
      bans     IPv4 /32, IPv6 /64, ports tcp 25, 465, 587
      matches  151, of which 140 counted as failures; 20 watched
      ignored  protected 2, banned 9

    PATTERN              MATCHES
    postfix/sasl-failed      151

    ADDRESS      JAIL          SINCE                       UNTIL                         LEFT  COUNT  ORIGIN
    203.0.113.9  postfix-auth  2026-11-22 20:20:06 +01:00  2026-11-22 21:20:06 +01:00  42 min      2  jail
    The latest 1 of 103; all: sluice list --jail postfix-auth
    `,
    );
  });

  test('of a jail that is by itself: observe, permanent, nobody held', () => {
    const quiet = {
      ...sampleJail,
      observe: true,
      from: null,
      bantime: { firstMs: null, factor: 1, maxMs: null, forgetMs: null },
      patterns: [],
      ignored: {},
      journal: [],
      files: [],
    };
    assert.equal(
      formatJail(quiet, [], 0, sampleNowMs, unpainted),
      text`
    jail postfix-auth, observe: would be banned (built-in)
      filters  postfix/sasl-failed
      policy   5 failures within 30m: banned for ever
      bans     IPv4 /32, IPv6 /64, ports tcp 25, 465, 587
      matches  151, of which 140 counted as failures; 20 watched
      ignored  -

    Nobody is banned by it now.
    `,
    );
  });
});

test('list: the latest ban at the end, where the prompt is', () => {
  assert.equal(
    formatBans(sampleBans, sampleNowMs, unpainted),
    text`
    ADDRESS            JAIL           SINCE                       UNTIL                         LEFT  COUNT  ORIGIN
    2001:db8:1:2::/64  manual         2026-11-19 20:38:06 +01:00  permanent                        -      1  manual
    203.0.113.9        postfix-auth   2026-11-22 20:20:06 +01:00  2026-11-22 21:20:06 +01:00  42 min      2  jail
    198.51.100.7       postfix-noise  2026-11-22 20:37:06 +01:00  2026-11-22 20:52:06 +01:00  14 min      1  jail    observe: not in the kernel
    `,
  );
});

const explain = (explanation: Explanation) => formatExplanation(explanation, sampleNowMs, unpainted);

describe('explain', () => {
  const nothing: Explanation = {
    address: address('203.0.113.9'),
    protected: null,
    bans: [],
    windows: [],
    history: [],
    evidence: [],
    kernel: [],
    kernelDetail: '',
  };
  const ban = { ...sampleBan, failures: 5, maxretry: 5, findtimeMs: 30 * 60_000 };
  const window = {
    jail: 'ssh',
    subject: prefix('203.0.113.9'),
    failures: 3,
    maxretry: 5,
    findtimeMs: 600_000,
    first: minutesFromNow(-5),
    last: minutesFromNow(-2),
    observe: false,
  };

  test('a banned address: by whom, until when, why, the lines, the kernel, the history, what to do', () => {
    const line = 'warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: \u001b[31mUGFzc3dvcmQ6\u2028';
    const evidence = [-19, -18].map((minutes) => ({
      time: minutesFromNow(minutes),
      source: 'journal',
      filter: 'postfix',
      pattern: 'sasl-failed',
      line,
      jails: ['postfix-auth'],
    }));
    const history = [{ jail: 'postfix-noise', subject: prefix('203.0.113.9'), count: 2, ended: minutesFromNow(-6_000) }];
    const kernel = [{ set: 'g1_h4', element: '203.0.113.9' }];
    assert.equal(
      explain({ ...nothing, bans: [ban], evidence, history, kernel }),
      text`
    203.0.113.9 is banned by jail postfix-auth until 2026-11-22 21:20:06 +01:00 (in 42 min).

      postfix-auth     banned since 2026-11-22 20:20:06 +01:00 (18 min ago), until 2026-11-22 21:20:06 +01:00 (in 42 min), ban number 2: it came back
                       5 failures within 30m (maxretry 5)
      postfix-noise    was banned 2 times, the last ban ended 2026-11-18 16:38:06 +01:00 (4 d 4 h ago)
      kernel           set g1_h4 holds 203.0.113.9

    The last lines that counted:
      2026-11-22 20:19:06 +01:00  postfix/sasl-failed from journal, counted in postfix-auth
        warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: \x1b[31mUGFzc3dvcmQ6\u2028
      2026-11-22 20:20:06 +01:00  postfix/sasl-failed from journal, counted in postfix-auth
        warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: \x1b[31mUGFzc3dvcmQ6\u2028

    To lift it:            sluice unban 203.0.113.9
    To never ban it again: sluice allow 203.0.113.9
    `,
    );
  });

  test('banned with its network, by hand, for ever; the kernel misses it', () => {
    const byHand = {
      ...ban,
      jail: 'manual',
      subject: prefix('2001:db8:1:2::/64'),
      until: null,
      count: 1,
      origin: 'manual' as const,
      failures: null,
    };
    assert.equal(
      explain({ ...nothing, address: address('2001:db8:1:2::9'), bans: [byHand] }),
      text`
    2001:db8:1:2::9 is banned with its network 2001:db8:1:2::/64 by jail manual for ever.

      manual           banned since 2026-11-22 20:20:06 +01:00 (18 min ago), for ever
                       by hand (sluice ban) of 2001:db8:1:2::/64
      kernel           has no element for it

    To lift it:            sluice unban 2001:db8:1:2::9
    To never ban it again: sluice allow 2001:db8:1:2::9
    `,
    );
  });

  const firstLines: readonly [name: string, explanation: Explanation, expected: string][] = [
    ['nothing known', nothing, '203.0.113.9 is not banned, and nothing is known of it.'],
    [
      'protected',
      { ...nothing, protected: 'allowlist, /etc/sluice/sluice.yaml:14' },
      '203.0.113.9 is never banned: allowlist, /etc/sluice/sluice.yaml:14.',
    ],
    ['watched', { ...nothing, windows: [window] }, '203.0.113.9 is not banned, but watched.'],
    [
      'observed',
      { ...nothing, bans: [{ ...ban, observe: true }] },
      '203.0.113.9 is not banned, but would be: its jail only observes, or whoever sent the lines is not believed.',
    ],
    [
      'back from a ban',
      { ...nothing, history: [{ jail: 'ssh', subject: window.subject, count: 1, ended: minutesFromNow(-9) }] },
      '203.0.113.9 is not banned, but known.',
    ],
    [
      'the longest of several bans',
      { ...nothing, bans: [ban, { ...ban, jail: 'worst', until: null }, { ...ban, jail: 'later', until: minutesFromNow(90) }] },
      '203.0.113.9 is banned by jail worst for ever.',
    ],
  ];
  for (const [name, explanation, expected] of firstLines) {
    test(`the first sentence is the verdict: ${name}`, () => assert.equal(explain(explanation).split('\n')[0], expected));
  }

  test('a window: n of maxretry, in the jail that only observes too', () => {
    assert.equal(
      explain({ ...nothing, windows: [window, { ...window, jail: 'postfix-noise', observe: true }] }),
      text`
    203.0.113.9 is not banned, but watched.

      ssh              3 of 5 failures within 10m, the last 2026-11-22 20:36:06 +01:00 (2 min ago)
      postfix-noise    3 of 5 failures within 10m, the last 2026-11-22 20:36:06 +01:00 (2 min ago), then would be banned (observe)
    `,
    );
  });

  test('a kernel that does not answer is no missing element', () => {
    const shown = explain({ ...nothing, bans: [ban], kernel: null, kernelDetail: 'nft did not answer' });
    assert.match(shown, /kernel {11}nft did not answer\n/);
    assert.doesNotMatch(shown, /no element/);
  });

  test('a ban of what became protected is about to end', () => {
    assert.match(
      explain({ ...nothing, bans: [ban], protected: 'logged in from there' }),
      /never banned {5}logged in from there; the ban is about to be lifted\n/,
    );
  });
});

describe('events, one line each', () => {
  const time = minutesFromNow(0);
  const who = { subject: prefix('203.0.113.9'), jail: 'postfix-auth' };
  const shown: readonly [event: DaemonEvent, expected: string][] = [
    [
      {
        kind: 'failure',
        time,
        ...who,
        address: address('203.0.113.9'),
        failures: 3,
        maxretry: 5,
        source: 'journal',
        filter: 'postfix',
        pattern: 'sasl-failed',
        line: 'warning:\u001b[2J\nx',
      },
      'failure  203.0.113.9 3/5 in postfix-auth: postfix/sasl-failed from journal: warning:\\x1b[2J\\x0ax',
    ],
    [
      { kind: 'ignored', time, ...who, because: 'protected', detail: 'allowlist' },
      'ignored  203.0.113.9 in postfix-auth: protected: allowlist',
    ],
    [
      { kind: 'ban', time, ban: sampleBan, address: address('203.0.113.9'), failures: 5 },
      'ban      203.0.113.9 by postfix-auth for 1h: 5 failures, ban number 2',
    ],
    [
      {
        kind: 'ban',
        time,
        ban: { ...sampleBan, subject: prefix('2001:db8::/64'), count: 1, observe: true },
        address: address('2001:db8::5'),
        failures: 5,
      },
      'ban      2001:db8::/64 (for 2001:db8::5) by postfix-auth for 1h: 5 failures, observe: would be banned',
    ],
    [
      { kind: 'ban', time, ban: { ...sampleBan, jail: 'manual', until: null, count: 1, origin: 'manual' }, address: null, failures: null },
      'ban      203.0.113.9 by manual for ever: manual',
    ],
    [{ kind: 'unban', time, ...who, because: 'expired' }, 'unban    203.0.113.9 from postfix-auth: expired'],
    [
      { kind: 'allow', time, prefix: prefix('192.0.2.0/24'), until: minutesFromNow(60) },
      'allow    192.0.2.0/24 until 2026-11-22 21:38:06 +01:00 (in 1 h)',
    ],
    [
      { kind: 'source', time, source: 'journal', up: false, detail: 'journalctl ended with 1' },
      'source   journal is down: journalctl ended with 1',
    ],
    [{ kind: 'lost', time, source: 'journal', count: 3, detail: '' }, 'lost     journal lost 3 records'],
    [{ kind: 'notice', time, level: 'error', message: 'nft fails' }, 'notice   nft fails'],
    [{ kind: 'missed', time, count: 7 }, 'missed   7 events were not sent here: this terminal was too slow'],
  ];
  for (const [event, expected] of shown) {
    test(expected, () => assert.equal(formatEvent(event, unpainted), `2026-11-22 20:38:06 +01:00  ${expected}\n`));
  }
});

describe('config', () => {
  const file = '/etc/sluice/sluice.yaml';
  const values = [
    { path: ['sources', 'own'], value: 'journal', from: null },
    { path: ['sources', 'syslog', 0, 'listen'], value: 'udp://127.0.0.1:5514', from: `${file}:4` },
    { path: ['sources', 'syslog', 0, 'peers', 0], value: '127.0.0.0/8', from: `${file}:5` },
    { path: ['sources', 'syslog', 0, 'peers', 1], value: '2001:db8::/32', from: `${file}:6` },
    { path: ['sources', 'syslog', 1, 'listen'], value: 'tcp://[::1]:5514', from: `${file}:7` },
    { path: ['allowlist'], value: [], from: null },
    { path: ['defaults', 'findtime'], value: '1h30m', from: null },
    { path: ['defaults', 'maxretry'], value: 5, from: null },
    { path: ['limits', 'message'], value: '64KiB', from: null },
    { path: ['jails', 'a: b', 'observe'], value: true, from: `${file}:9` },
    { path: ['jails', 'ssh', 'filters', 0], value: 'sshd', from: `${file}:10` },
    { path: ['jails', 'ssh', 'note'], value: '1e3', from: `${file}:11` },
    { path: ['jails', 'ssh', 'other'], value: 'no # comment', from: `${file}:12` },
    { path: ['jails', 'ssh', 'third'], value: 'true', from: `${file}:13` },
  ];

  test('shows each value with its place', () => {
    assert.equal(
      formatConfig({ file, values: values.slice(0, 7) }, unpainted),
      text`
    # /etc/sluice/sluice.yaml
    sources:
      own: journal                      # default
      syslog:
        - listen: udp://127.0.0.1:5514  # /etc/sluice/sluice.yaml:4
          peers:
            - 127.0.0.0/8               # /etc/sluice/sluice.yaml:5
            - "2001:db8::/32"           # /etc/sluice/sluice.yaml:6
        - listen: "tcp://[::1]:5514"    # /etc/sluice/sluice.yaml:7
    allowlist: []                       # default
    defaults:
      findtime: 1h30m                   # default
    `,
    );
  });

  test('is YAML that says the same', () => {
    assert.deepEqual(parse(formatConfig({ file: null, values }, unpainted)), {
      sources: {
        own: 'journal',
        syslog: [{ listen: 'udp://127.0.0.1:5514', peers: ['127.0.0.0/8', '2001:db8::/32'] }, { listen: 'tcp://[::1]:5514' }],
      },
      allowlist: [],
      defaults: { findtime: '1h30m', maxretry: 5 },
      limits: { message: '64KiB' },
      jails: { 'a: b': { observe: true }, ssh: { filters: ['sshd'], note: '1e3', other: 'no # comment', third: 'true' } },
    });
  });
});
