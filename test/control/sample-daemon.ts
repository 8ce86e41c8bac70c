import { type BanEntry, toBanEntry } from '../../src/control/ban-entry.ts';
import { createEventFeed, type EventFeed } from '../../src/control/event-feed.ts';
import { at } from '../../src/control/instant.ts';
import type { DaemonApi, JailStatus, Status } from '../../src/control/protocol.ts';
import { exactPrefix } from '../../src/control/target.ts';
import { type Address, covers, parseAddress, parsePrefix, type Prefix, prefixOf } from '../../src/model/address.ts';

/** 2026-11-22 20:38:06 in Berlin. */
export const sampleNowMs = Date.parse('2026-11-22T19:38:06Z');
const minuteMs = 60_000;

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
}

export const sampleJail: JailStatus = {
  name: 'postfix-auth',
  observe: false,
  disabled: null,
  matches: 151,
  failures: 140,
  tracked: 20,
  bansNow: 2,
  bansTotal: 12,
  restored: 1,
  from: '/etc/sluice/sluice.yaml:20',
  filters: ['postfix/sasl-failed'],
  maxretry: 5,
  findtimeMs: 30 * minuteMs,
  bantime: { firstMs: 60 * minuteMs, factor: 2, maxMs: 28 * 24 * 60 * minuteMs, forgetMs: 28 * 24 * 60 * minuteMs },
  prefix: { ipv4: 32, ipv6: 64 },
  ports: 'tcp 25, 465, 587',
  patterns: [{ filter: 'postfix', pattern: 'sasl-failed', matches: 151 }],
  ignored: { protected: 2, banned: 9 },
  journal: ['_SYSTEMD_UNIT=postfix.service'],
  files: ['/var/log/mail.log'],
};

export const sampleStatus: Status = {
  version: '0.1.0',
  pid: 4711,
  started: at(sampleNowMs - 192 * minuteMs),
  mode: { enforce: 'nftables', because: '' },
  ready: true,
  problems: [],
  config: { file: '/etc/sluice/sluice.yaml', loaded: at(sampleNowMs - 192 * minuteMs) },
  sources: [
    {
      name: 'journal',
      kind: 'journal',
      up: true,
      detail: 'journalctl',
      records: 1204,
      lastRecord: at(sampleNowMs - 2_000),
      lagMs: 210,
      errors: {},
      lost: { suppressed: 3 },
      connections: null,
    },
    {
      name: 'syslog-tcp',
      kind: 'syslog',
      up: false,
      detail: 'tcp://127.0.0.1:5514: the port is taken',
      records: 0,
      lastRecord: null,
      lagMs: null,
      errors: { framing: 2, io: 1 },
      lost: {},
      connections: 0,
    },
  ],
  jails: [
    sampleJail,
    { name: 'postfix-noise', observe: true, disabled: null, matches: 9, failures: 9, tracked: 4, bansNow: 0, bansTotal: 0, restored: 0 },
    {
      name: 'old',
      observe: false,
      disabled: 'its filter is broken',
      matches: 0,
      failures: 0,
      tracked: 0,
      bansNow: 0,
      bansTotal: 0,
      restored: 0,
    },
  ],
};

export const sampleBan: BanEntry = {
  jail: 'postfix-auth',
  subject: prefix('203.0.113.9'),
  since: at(sampleNowMs - 18 * minuteMs),
  until: at(sampleNowMs + 42 * minuteMs),
  count: 2,
  origin: 'jail',
  observe: false,
};

export const sampleBans: readonly BanEntry[] = [
  sampleBan,
  {
    jail: 'manual',
    subject: prefix('2001:db8:1:2::/64'),
    since: at(sampleNowMs - 3 * 24 * 60 * minuteMs),
    until: null,
    count: 1,
    origin: 'manual',
    observe: false,
  },
  {
    jail: 'postfix-noise',
    subject: prefix('198.51.100.7'),
    since: at(sampleNowMs - minuteMs),
    until: at(sampleNowMs + 14 * minuteMs),
    count: 1,
    origin: 'jail',
    observe: true,
  },
];

const concerns = (asked: Prefix) => (ban: BanEntry) => covers(ban.subject, asked) || covers(asked, ban.subject);

export interface SampleDaemon {
  readonly api: DaemonApi;
  readonly feed: EventFeed;
  /** Every call that acts, in order. */
  readonly calls: readonly unknown[];
  readonly bans: BanEntry[];
}

/**
 * A daemon without pipeline, kernel and store: it keeps bans in a list, so that what goes over the socket can be seen on both sides.
 * Whole parts can be replaced.
 */
export function createSampleDaemon(replaced: Partial<DaemonApi> = {}): SampleDaemon {
  const bans = [...sampleBans];
  const calls: unknown[] = [];
  const feed = createEventFeed(100);
  const lift = (matches: (ban: BanEntry) => boolean) => {
    const lifted = bans.filter(matches);
    for (const ban of lifted) bans.splice(bans.indexOf(ban), 1);
    return { count: lifted.length, lifted: lifted.map(({ jail, subject }) => ({ jail, subject })) };
  };
  const api: DaemonApi = {
    ping: () => ({ version: '0.1.0', pid: process.pid, started: sampleStatus.started }),
    status: () => sampleStatus,
    jail: (name) => (name === sampleJail.name ? sampleJail : undefined),
    jailNames: () => ['postfix-auth', 'postfix-noise', 'manual'],
    bans: (jail) => bans.filter((ban) => jail === undefined || ban.jail === jail),
    explain: (asked) =>
      Promise.resolve({ address: asked, protected: null, bans: [], windows: [], history: [], evidence: [], kernel: [], kernelDetail: '' }),
    events: feed,
    metrics: () => Promise.resolve('# HELP sluice_rules Rules.\n# TYPE sluice_rules gauge\nsluice_rules{state="enabled"} 3\n'),
    config: () => ({ file: null, values: [{ path: ['defaults', 'maxretry'], value: 5, from: null }] }),
    ban: (request) => {
      calls.push({ ban: request });
      const results = request.targets.map((target) => {
        const text = target.kind === 'address' ? target.address : target.prefix;
        if (text.startsWith('127.')) return { target: text, outcome: 'refused' as const, because: 'loopback is never banned' };
        const subject = target.kind === 'prefix' ? target.prefix : prefixOf(target.address, target.address.includes(':') ? 64 : 32);
        const already = bans.find((ban) => ban.subject === subject);
        if (already !== undefined) return { target: text, outcome: 'already' as const, ban: already };
        const sinceMs = Date.now();
        const ban = toBanEntry({
          jail: request.jail ?? 'manual',
          subject,
          sinceMs,
          untilMs: sinceMs + (request.forMs ?? 60 * minuteMs),
          count: 1,
          origin: 'manual',
          observe: false,
        });
        bans.push(ban);
        return { target: text, outcome: 'banned' as const, ban };
      });
      return Promise.resolve({ results });
    },
    unban: (request) => {
      calls.push({ unban: request });
      if ('all' in request) return Promise.resolve({ results: [{ target: 'all', ...lift(() => true) }] });
      return Promise.resolve({
        results: request.targets.map((target) => ({
          target: target.kind === 'address' ? target.address : target.prefix,
          ...lift(concerns(exactPrefix(target))),
        })),
      });
    },
    allow: (request) => {
      calls.push({ allow: request });
      const until = Number.isFinite(request.forMs) ? at(Date.now() + request.forMs) : null;
      return Promise.resolve({ results: request.prefixes.map((each) => ({ target: each, prefix: each, until, ...lift(concerns(each)) })) });
    },
    disallow: (request) => {
      calls.push({ disallow: request });
      return Promise.resolve({
        results: request.prefixes.map((each) => ({ target: each, prefix: each, removed: each.startsWith('2001:') })),
      });
    },
    reload: ({ confirmMs }) =>
      Promise.resolve({
        outcome: 'reloaded',
        changes: ['jail ssh is new'],
        warnings: [],
        ...(confirmMs === undefined ? {} : { goesBack: at(sampleNowMs + confirmMs) }),
      }),
    confirm: () => ({ confirmed: true }),
    resetBreaker: () => ({ was: { since: at(sampleNowMs), detail: '6 of 20 clients that had logged in lately would be banned' } }),
    ...replaced,
  };
  return { api, feed, calls, bans };
}
