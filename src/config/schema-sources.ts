import * as v from 'valibot';
import { parseSyslogListen } from './listen.ts';
import { day, list, means, second, section, week } from './schema-parts.ts';
import { absolutePath, begin, choice, duration, flag, network, text, timezone, whole, word } from './values.ts';

const sourceName = () => word('a name', /^[!-~]{1,128}$/, 'up to 128 letters, digits and signs, without spaces');

const silence = () => means('Say so (log, metric) when nothing came for so long. Unset: never.', duration(second, 4 * week));

export const syslog = section({
  listen: means(
    'Where to listen: `udp://ADDRESS:PORT` or `tcp://ADDRESS:PORT`. Over TCP both framings are understood, and locked per connection.',
    text(
      { type: 'udp:// or tcp:// address', pattern: '^(?:udp|tcp)://.+:\\d{1,5}$' },
      'udp://ADDRESS:PORT or tcp://ADDRESS:PORT',
      parseSyslogListen,
    ),
  ),
  peers: v.optional(
    means(
      'Who may send; everybody else is refused and counted. May be left out only where the address is a loopback address: then it is loopback.',
      list(network()),
    ),
  ),
  name: v.optional(means('The `source` label of its metrics. Unset: what `listen` says.', sourceName())),
  timezone: v.optional(means('Of stamps without a zone.', timezone()), 'local'),
  silence: v.optional(silence()),
  trusted_uids: v.optional(
    means(
      'Users, by number, whose programs are believed over loopback, beside root and `syslog`.',
      list(whole(0, 4_294_967_294, 'a user')),
    ),
    [],
  ),
});

const from = () =>
  means(
    'Where reading begins the first time; later it goes on where it stopped. Unset: the longest findtime of the enabled jails ago, at most 1h.',
    begin(52 * week),
  );

export const journal = section({
  enabled: v.optional(means('Whether to read the journal. Unset: true with `own: journal`, else false.', flag())),
  directory: v.optional(means("Another journal than this system's, as `journalctl --directory`.", absolutePath())),
  namespace: v.optional(
    means(
      'A journal namespace, as `journalctl --namespace`.',
      word('a journal namespace', /^[A-Za-z0-9_.-]{1,128}$/, 'letters, digits, "_", "." and "-"'),
    ),
  ),
  silence: v.optional(silence()),
  from: v.optional(from()),
});

export const file = section({
  path: means('The file, or a glob: `/var/log/mail.log`, `/var/log/mail/*.log`.', absolutePath()),
  name: v.optional(means('The `source` label of its metrics. Unset: the path.', sourceName())),
  timezone: v.optional(means('Of stamps without a zone.', timezone()), 'local'),
  program: v.optional(
    means(
      'The lines have no syslog header: they all belong to this program.',
      word('a program name', /^[!-~]{1,128}$/, 'as it stands in a syslog tag, such as nginx or postfix/smtpd'),
    ),
  ),
  silence: v.optional(silence()),
  from: v.optional(from()),
});

export const sources = section({
  own: v.optional(
    means(
      "By which way this host's own lines come, so that a line that comes several ways counts once. The other ways are read only for what this one does not have: syslog of other hosts, a file of a program that writes no journal.",
      choice(['journal', 'files', 'syslog']),
    ),
    'journal',
  ),
  syslog: v.optional(means('Listeners for syslog, RFC 5424 and RFC 3164.', list(syslog)), []),
  journal: v.optional(means('The systemd journal. What is read of it comes from `journal:` of the filters in use.', journal), {}),
  files: v.optional(means('Log files, followed through rotation.', list(file)), []),
  max_skew: v.optional(
    means('How far in the past a stamp without a zone is believed; older ones count as they arrive.', duration(second, day)),
    '10m',
  ),
});
