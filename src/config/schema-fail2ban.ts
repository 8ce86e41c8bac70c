import * as v from 'valibot';
import { decoderLabel } from '../model/log-encoding.ts';
import { list, means, second, section, week } from './schema-parts.ts';
import { absolutePath, choice, decimal, duration, flag, type Read, shown, text, whole, word } from './values.ts';

const longestBan = 520 * week;

const expression = () =>
  text({ type: 'regular expression' }, "a regular expression in fail2ban's dialect", (value): Read<string> => ({ value }));

const encoding = () =>
  text(
    { type: 'encoding' },
    'an encoding, such as utf-8, latin-1 or cp1252, or "auto"',
    (value): Read<string> =>
      decoderLabel(value) === undefined
        ? { mistake: `found ${shown(value)}, wanted an encoding, such as utf-8, latin-1 or cp1252, or "auto"` }
        : { value },
  );

const journalMatch = () => word('a match of the journal', /^[A-Z_][A-Z0-9_]*=[^]*$/, 'FIELD=value, such as _SYSTEMD_UNIT=sshd.service');

/** How bans grow in fail2ban: its `bantime.increment = true` and what belongs to it. */
const increment = section({
  factor: v.optional(means('`bantime.factor`.', decimal(0, 1_000_000)), 1),
  formula: v.optional(
    means(
      '`bantime.formula`, of `ban.Time` (s), `ban.Count` and `banFactor`. Unset: each ban twice as long as the one before.',
      expression(),
    ),
  ),
  multipliers: v.optional(
    means(
      '`bantime.multipliers`, instead of a formula: one for each return, the last for all further ones.',
      list(whole(0, 1_000_000_000, 'times')),
    ),
    [],
  ),
  max: v.optional(means('`bantime.maxtime`.', duration(second, longestBan, 'permanent')), 'permanent'),
  random: v.optional(means('`bantime.rndtime`: up to so much longer, at random. Unset: nothing.', duration(second, longestBan))),
  overall: v.optional(means('`bantime.overalljails`: bans in all jails count, not only in this one.', flag()), false),
  remember: v.optional(
    means('`dbpurgeage` of fail2ban.conf: how long a ban is remembered after its end.', duration(second, longestBan)),
    '1d',
  ),
});

/** A filter and its logs in a jail, in fail2ban's dialect. */
export const foreign = section({
  prefregex: v.optional(means('What a line must fit first; `<F-CONTENT>` in it is what the other expressions then see.', expression())),
  failregex: means('Each of them finds a failure; `<HOST>` stands for the address.', list(expression())),
  ignoreregex: v.optional(means('Lines that one of them fits do not count.', list(expression())), []),
  datepattern: v.optional(means('Forms of the date of a line. None: the usual ones.', list(expression())), []),
  maxlines: v.optional(means('How many lines a match may span.', whole(1, 1_000, 'lines')), 1),
  files: v.optional(
    means(
      'Log files, or globs. `from: tail`: only what is written from now on, where nothing is known of the file.',
      list(
        v.union([
          absolutePath(),
          section({
            path: means('The file, or a glob.', absolutePath()),
            from: v.optional(means('Where reading begins the first time.', choice(['head', 'tail'])), 'head'),
          }),
        ]),
      ),
    ),
  ),
  journal: v.optional(
    means(
      'Instead of files: entries of the journal that fit one of these lists. Within a list the same field twice means either, different fields mean both, as in journalctl. `[]`: every entry.',
      list(list(journalMatch())),
    ),
  ),
  journal_directory: v.optional(means("With `journal`: another journal than this system's, as `journalctl --directory`.", absolutePath())),
  journal_namespace: v.optional(
    means(
      'With `journal`: a namespace, as `journalctl --namespace`.',
      word('a journal namespace', /^[A-Za-z0-9_.-]{1,128}$/, 'letters, digits, "_", "." and "-"'),
    ),
  ),
  bans: v.optional(
    means(
      'The jail reads what is logged of bans in other jails, as recidive does: in the form of fail2ban.log (`file`) or of the journal. It then needs neither `files` nor `journal`.',
      choice(['file', 'journal']),
    ),
  ),
  encoding: v.optional(means('Of the files: `utf-8`, `latin-1`, ... `auto` is UTF-8.', encoding()), 'auto'),
  timezone: v.optional(
    means(
      '`logtimezone`: of dates that name no zone, `UTC+02:00` or `CEST`. Unset: the local time.',
      text({ type: 'time zone' }, 'an offset, UTC+02:00, or an abbreviation, CEST', (value): Read<string> => ({ value })),
    ),
  ),
  usedns: v.optional(
    means(
      'Whether a name in place of the address is looked up: `yes`; `warn`: it fits the expression, and nobody is banned for it; `no`: it does not fit.',
      choice(['warn', 'yes', 'no']),
    ),
    'warn',
  ),
  ignore: v.optional(
    means(
      'Whom this jail spares, beside `allowlist`: addresses, networks, names (whatever they resolve to), `file:/PATH` (one on each line).',
      list(
        text(
          { type: 'address, network, name or file:/PATH' },
          'an address, a network, a name or file:/PATH',
          (value): Read<string> => ({ value }),
        ),
      ),
    ),
    [],
  ),
  increment: v.optional(means("How bans grow with each return, as fail2ban's `bantime.increment`. Unset: as `bantime` says.", increment)),
});
