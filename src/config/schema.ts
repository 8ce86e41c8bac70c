import * as v from 'valibot';
import type { Listen } from './config.ts';
import { parseListen } from './listen.ts';
import { day, KiB, list, MiB, means, minute, second, section, week } from './schema-parts.ts';
import { foreign } from './schema-fail2ban.ts';
import { sources } from './schema-sources.ts';
import { absolutePath, choice, decimal, duration, flag, network, type Read, shown, size, text, whole, word } from './values.ts';

/**
 * What may stand in a configuration, with its defaults, bounds and meaning. The reader, docs/configuration.md and
 * share/sluice.schema.json all come from here.
 */

/** sun_path holds 108 bytes with the final NUL, unix(7). */
const socketPathBytes = 107;

const maxretry = () => whole(1, 1_000, 'failures');
const findtime = () => duration(second, 4 * week);

/** The longest finite ban: sums of it and now stay far from where nft and Date end. */
const longestBan = 520 * week;

const bantime = () =>
  v.union([
    duration(second, longestBan, 'permanent'),
    section({
      first: means('The first ban.', duration(second, longestBan, 'permanent')),
      factor: v.optional(means('The n-th ban lasts `first` x `factor`^(n-1).', decimal(1, 100)), 2),
      max: v.optional(means('No ban is longer.', duration(second, longestBan, 'permanent')), '4w'),
      forget: v.optional(means('A ban so long after the end of the last one is a first one again.', duration(second, 52 * week)), '4w'),
    }),
  ]);

const prefixBits = {
  ipv4: whole(16, 32, 'bits'),
  ipv6: whole(32, 128, 'bits'),
};

const defaults = section({
  maxretry: v.optional(means('Failures within findtime that lead to a ban.', maxretry()), 5),
  findtime: v.optional(means('How long a failure counts.', findtime()), '10m'),
  bantime: v.optional(means('How long a ban lasts: always so long, or growing with each return.', bantime()), '1h'),
  prefix: v.optional(
    means(
      'What is banned: the network of so many bits that holds the address. Whoever has one IPv6 address usually has its whole /64.',
      section({
        ipv4: v.optional(means('Of an IPv4 address.', prefixBits.ipv4), 32),
        ipv6: v.optional(means('Of an IPv6 address.', prefixBits.ipv6), 64),
      }),
    ),
    {},
  ),
});

export const filterReference = /^[a-zA-Z0-9][\w.-]*(?:\/[a-zA-Z0-9][\w.-]*)?$/;

export const jail = section({
  filters: v.optional(
    means(
      'What counts as a failure: `FILTER` for all its patterns, or `FILTER/PATTERN`. The filters are the files in `rules/` and /etc/sluice/rules.d/. A jail has this or `fail2ban`.',
      list(
        word('a filter', filterReference, 'NAME or NAME/PATTERN, such as postfix/relay-denied', (written) =>
          /\.(?:conf|local)\b|^fail2ban:/.test(written)
            ? "; a jail in fail2ban's own words has `fail2ban:` in place of `filters:`, and `sluice import fail2ban` writes it"
            : '',
        ),
      ),
    ),
  ),
  fail2ban: v.optional(
    means(
      "Instead of `filters`: expressions in fail2ban's dialect, and the logs they are for. `sluice import fail2ban` writes such jails. Without `prefix` such a jail bans single addresses, as fail2ban does.",
      foreign,
    ),
  ),
  maxretry: v.optional(means('Failures within findtime that lead to a ban. Unset: as in `defaults`.', maxretry())),
  findtime: v.optional(means('How long a failure counts. Unset: as in `defaults`.', duration(second, 52 * week))),
  bantime: v.optional(means('How long a ban lasts. Unset: as in `defaults`.', bantime())),
  ports: v.optional(
    means(
      'What is closed to whom is banned: `all`, or a list of names, numbers and ranges (`smtp`, `587`, `40000-40100`, `53/udp`). Unset: the ports of its filters; a jail with `fail2ban` must say.',
      v.union([
        v.literal(
          'all',
          ({ input }) =>
            `found ${shown(input)}, wanted "all" or a list of ports${typeof input === 'string' || typeof input === 'number' ? `: write [${input}]` : ''}`,
        ),
        list(
          v.union(
            [v.string(), v.number()],
            ({ input }) => `found ${shown(input)}, wanted a port: a name such as smtp, a number, or a range such as 40000-40100`,
          ),
        ),
      ]),
    ),
  ),
  prefix: v.optional(
    means(
      'What is banned. Unset: as in `defaults`.',
      section({
        ipv4: v.optional(means('Of an IPv4 address.', prefixBits.ipv4)),
        ipv6: v.optional(means('Of an IPv6 address.', prefixBits.ipv6)),
      }),
    ),
  ),
  observe: v.optional(means('Decide, count and show, but touch nothing.', flag()), false),
  enabled: v.optional(means('false: as if the jail were not there.', flag()), true),
});

const listen = () =>
  text(
    { type: 'address and port, or off' },
    'ADDRESS:PORT or "off"',
    (written): Read<Listen | undefined> => (written === 'off' ? { value: undefined } : parseListen(written)),
  );

export const schema = section({
  sources: v.optional(means('Where log lines come from.', sources), {}),
  enforce: v.optional(
    means(
      'What becomes of a ban.',
      section({
        mode: v.optional(means('`observe`: decide, count and show, but touch nothing.', choice(['nftables', 'observe'])), 'nftables'),
        set_size: v.optional(
          means(
            'Elements that one nftables set may hold. The kernel takes memory as they come, about 100 bytes each.',
            whole(1_000, 16_000_000, 'elements'),
          ),
          1_000_000,
        ),
      }),
    ),
    {},
  ),
  metrics: v.optional(
    means(
      'Metrics for Prometheus at /metrics, beside /-/healthy and /-/ready. `metrics: off` serves none.',
      v.union([
        v.literal('off', ({ input }) => `found ${shown(input)}, wanted "off" or a mapping such as { listen: 127.0.0.1:9190 }`),
        section({
          listen: v.optional(means('Where to serve them; `off`: nowhere.', listen()), '127.0.0.1:9190'),
          fail2ban_names: v.optional(
            means(
              'Serve the numbers of jails also as `f2b_jail_banned_current`, `f2b_jail_banned_total`, `f2b_jail_failed_current`, `f2b_jail_failed_total`, `f2b_config_jail_ban_time`, `f2b_config_jail_find_time`, `f2b_config_jail_max_retries`, `f2b_jail_count`, `f2b_up` and `f2b_errors`: the names that exporters for fail2ban use, for dashboards and alerts made for them.',
              flag(),
            ),
            false,
          ),
        }),
      ]),
    ),
    {},
  ),
  control: v.optional(
    means(
      'The socket for `sluice status` and the other commands.',
      section({
        socket: v.optional(means('Its path. Unset: see "Paths" in docs/configuration.md.', absolutePath(socketPathBytes))),
        group: v.optional(
          means(
            "A group whose members may use it, beside root and the daemon's own user.",
            word('a group name', /^[a-z_][a-z0-9_-]{0,31}$/, 'as in /etc/group'),
          ),
        ),
      }),
    ),
    {},
  ),
  state: v.optional(
    means(
      'What must survive a restart.',
      section({ path: v.optional(means('The database. Unset: see "Paths" in docs/configuration.md.', absolutePath())) }),
    ),
    {},
  ),
  allowlist: v.optional(
    means(
      "Never banned. This host's own addresses, its gateways and resolvers, syslog peers, and who is logged in stand on it anyway.",
      list(network()),
    ),
    [],
  ),
  defaults: v.optional(means('For what a jail does not say, and for `sluice ban` without a jail.', defaults), {}),
  jails: v.optional(means('Filters, and what to do with whom they find. NAME is up to the writer.', v.record(v.string(), jail)), {}),
  limits: v.optional(
    means(
      'Bounds on what outsiders can make sluice hold. At each of them a counter rises.',
      section({
        message: v.optional(means('The longest message that is taken whole; a longer one is cut.', size(KiB, MiB)), '64KiB'),
        connections: v.optional(
          means('Open TCP connections of one syslog listener; further ones are closed.', whole(1, 65_535, 'connections')),
          1_024,
        ),
        subjects: v.optional(
          means(
            'Addresses or networks with failures that still count, in all jails; the one that failed longest ago is forgotten first.',
            whole(1_000, 16_000_000, 'subjects'),
          ),
          1_000_000,
        ),
        evidence: v.optional(means('Last lines kept for `sluice explain`, in memory.', size(MiB, 1_024 * MiB)), '64MiB'),
      }),
    ),
    {},
  ),
  breaker: v.optional(
    means(
      'Stops new bans when they look like a mistake: an alarm is raised, bans in force stay, failures go on being counted, and `sluice reset-breaker` lets bans be made again. A restart does so too.',
      section({
        clients: v.optional(
          means(
            'They stop when they would cover more than this share of the clients that logged in lately (`success:` in a rule file). 1: never.',
            decimal(0.01, 1),
          ),
          0.2,
        ),
        least: v.optional(means('Fewer such clients than this never stop them.', whole(1, 10_000, 'clients')), 5),
        within: v.optional(means('What lately is.', duration(minute, week)), '1h'),
        rate: v.optional(
          means(
            'They stop when there are more than so many in so long a time, whoever is banned. Unset: never, because a botnet of ten thousand hosts must be banned in seconds, and whoever has an IPv6 network could make bans stop at will.',
            section({
              bans: means('Bans of all jails together.', whole(1, 1_000_000, 'bans')),
              within: v.optional(means('In so long a time.', duration(second, day)), '1m'),
            }),
          ),
        ),
      }),
    ),
    {},
  ),
  fail2ban: v.optional(
    means(
      'Its enabled jails run beside those named here, by its own filters. A jail that cannot be used is left out, and `check` says why.',
      section({ path: means("Directory of fail2ban's configuration, such as /etc/fail2ban.", absolutePath()) }),
    ),
  ),
});
