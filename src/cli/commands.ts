import { printable } from '../diagnostic.ts';
import type { Command, Flag, Given } from './command.ts';
import { UsageError } from './exit.ts';
import type { TestOptions, Wanted } from './options.ts';
import { parseMoment } from './moment.ts';

const json: Flag = { name: 'json', about: 'Print JSON instead of text.' };
const jsonLines: Flag = { name: 'json', about: 'Print one JSON object a line instead of text.' };
const socket: Flag = {
  name: 'socket',
  value: 'PATH',
  about: "The daemon's control socket. Else $SLUICE_SOCKET, /run/sluice, $XDG_RUNTIME_DIR/sluice.",
};
const config: Flag = {
  name: 'config',
  short: 'c',
  value: 'FILE',
  about: 'Configuration. Default: /etc/sluice/sluice.yaml if it is there, else built-in.',
};
const now: Flag = {
  name: 'now',
  value: 'TIME',
  about: "What to take for now, as 2026-11-22T20:38. Default: the time of the file's last change.",
};
const forLength: Flag = { name: 'for', value: 'DURATION', about: 'How long: 90s, 15m, 1h30m, 2d, 1w, permanent.' };

const none = { min: 0, max: 0, missing: '' } as const;
const many = 1_000;
const someAddresses = { min: 1, max: many, missing: 'which address? Name one or more, or - to read them from stdin' } as const;

/** Every command there is. */
export const commands: readonly Command[] = [
  {
    name: 'run',
    group: 'work',
    usage: '[-c FILE] [--observe] [--fail2ban DIR]',
    about: 'The daemon, in the foreground.',
    details: [
      'With --fail2ban the enabled jails of that directory run too; without a configuration file, in place of the jails that are built in.',
      'Stopping it leaves the bans in force until they end by themselves. What removes them all: sluice unban --all --offline',
      'Exit: 78 if configuration or rules cannot be used.',
    ],
    flags: [
      config,
      { name: 'observe', about: 'Decide, count and show, but touch nothing.' },
      {
        name: 'fail2ban',
        value: 'DIR',
        about: "fail2ban's own configuration, such as /etc/fail2ban; in place of the one that the configuration names.",
      },
    ],
    operands: none,
    handlesInterrupt: true,
    run: async (given) => {
      const { run } = await import('../main.ts');
      return run({ config: given.text('config'), observe: given.on('observe'), fail2ban: given.text('fail2ban') });
    },
  },
  {
    name: 'check',
    group: 'work',
    usage: '[-c FILE] [RULE-FILE...]',
    about: 'Check configuration and rules, and run the tests inside the rules.',
    details: ['Shows all mistakes at once, each with its place. Exit: 3 if there are any.'],
    flags: [config, json],
    operands: { min: 0, max: many, missing: '' },
    run: async (given) => {
      const { check } = await import('../offline/check.ts');
      return check({ config: given.text('config'), ruleFiles: given.operands, json: given.on('json') });
    },
  },
  {
    name: 'test',
    group: 'work',
    usage: 'LOG... (--filter SPEC | --pattern P | --regex R) [--ignore R] [--date P | --no-date] [--now TIME] [--missed] [--json]',
    about: 'Show which lines of a log a filter or pattern matches, and which it misses.',
    details: [
      'LOG is a file, one that ends in .gz, - for stdin, journal:MATCHES, or a log line itself.',
      "  sluice test mail.log.1 --filter postfix\n  sluice test mail.log --pattern '{qid}: reject: RCPT from {client}: 554 '",
      "With --regex and fail2ban's filters it prints the sections of fail2ban-regex, with the same counts, and then the addresses.",
      'Exit: 5 if nothing matched.',
    ],
    flags: [
      {
        name: 'filter',
        value: 'SPEC',
        about:
          "A filter (postfix), one pattern of it (postfix/relay-denied), a rule file; or fail2ban's: fail2ban:sshd, PATH.conf[mode=aggressive].",
      },
      { name: 'pattern', value: 'P', about: 'A pattern in the language of the rules, for the message.' },
      { name: 'regex', value: 'R', about: "A regular expression in fail2ban's dialect, for the line without its date." },
      { name: 'ignore', value: 'R', multiple: true, about: "Lines that match this do not count; for --regex and fail2ban's filters." },
      { name: 'date', value: 'P', about: "The lines' date in fail2ban's notation, instead of the filter's." },
      { name: 'no-date', about: 'The lines carry no date: all are of --now.' },
      now,
      { name: 'missed', about: 'Show all lines that did not match.' },
      jsonLines,
    ],
    operands: { min: 1, max: many, missing: 'which log? Name a file, - for stdin, or give a log line in quotes' },
    run: async (given) => {
      const options: TestOptions = {
        logs: given.operands,
        wanted: wantedBy(given),
        nowMs: moment(given),
        missed: given.on('missed'),
        json: given.on('json'),
      };
      const { testCommand } = await import('../offline/test-command.ts');
      return testCommand(options);
    },
  },
  {
    name: 'replay',
    group: 'work',
    usage: 'LOG... [-c FILE] [--now TIME] [--json]',
    about: 'Show what would have been banned on old logs, when and why, with the rules of today.',
    details: ['The whole way of a line, with the clock of the logs, touching nothing.', '  sluice replay /var/log/mail.log*'],
    flags: [config, now, jsonLines],
    operands: { min: 1, max: many, missing: 'which log? Name one or more files, or - for stdin' },
    run: async (given) => {
      const nowMs = moment(given);
      const { replay } = await import('../offline/replay.ts');
      return replay({ logs: given.operands, config: given.text('config'), nowMs, json: given.on('json') });
    },
  },
  {
    name: 'import',
    group: 'work',
    usage: 'fail2ban [DIR] [--write FILE] [--json]',
    about: "Show what of fail2ban's configuration carries over, what differs, and what cannot be carried; or write it as our own.",
    details: [
      'DIR holds jail.conf; without it, /etc/fail2ban. Nothing in it is changed. The jails also run as they are: sluice run --fail2ban DIR.',
      '  sluice import fail2ban\n  sluice import fail2ban --write sluice.yaml && sluice check -c sluice.yaml',
      'Exit: 3 if something cannot be carried, with --write also for commands (actions, ignorecommand), which only the directory can hold.',
    ],
    flags: [
      {
        name: 'write',
        value: 'FILE',
        about: 'Write the enabled jails as a configuration that decides the same. FILE must not be there yet.',
      },
      json,
    ],
    operands: { min: 1, max: 2, missing: 'import what? sluice import fail2ban [DIR]' },
    run: async (given) => {
      const [what = '', dir = '/etc/fail2ban'] = given.operands;
      if (what !== 'fail2ban') {
        const meant = what.includes('/') ? ` ${printable(what)}` : '';
        throw new UsageError(`"${printable(what)}" is nothing that can be imported; wanted: sluice import fail2ban${meant}`);
      }
      const { importFail2ban } = await import('../offline/import-fail2ban.ts');
      return importFail2ban({ dir, write: given.text('write'), json: given.on('json') });
    },
  },
  {
    name: 'status',
    group: 'look',
    usage: '[JAIL] [--verbose] [--json]',
    about: 'What the daemon reads, what its jails did; or one jail and whom it holds.',
    details: [
      'Of a jail it prints what "fail2ban-client status JAIL" prints, to the byte, so that scripts go on working. On a terminal its policy,\npatterns and latest bans follow. Bans of a jail that observes are not in the list of the banned.',
      "  sluice status postfix-auth | grep 'Currently banned' | awk '{print $NF}'",
    ],
    flags: [
      { name: 'verbose', short: 'v', about: 'Of a jail: policy, patterns and latest bans also where stdout is no terminal.' },
      json,
      socket,
    ],
    operands: { min: 0, max: 1, missing: '' },
    run: async (given) => (await import('./look.ts')).status(given),
  },
  {
    name: 'list',
    group: 'look',
    usage: '[--jail JAIL] [--json]',
    about: 'The bans in force.',
    details: [],
    flags: [{ name: 'jail', value: 'JAIL', about: 'Only those of one jail.' }, json, socket],
    operands: none,
    run: async (given) => (await import('./look.ts')).list(given),
  },
  {
    name: 'explain',
    group: 'look',
    usage: 'ADDRESS [--json]',
    about: 'Whether an address is banned, why, since and until when; or what else is known of it.',
    details: [],
    flags: [json, socket],
    operands: { min: 1, max: 1, missing: 'which address?' },
    run: async (given) => (await import('./look.ts')).explain(given),
  },
  {
    name: 'events',
    group: 'look',
    usage: '[-f] [-n COUNT] [--json]',
    about: 'What happened lately: failures, bans, unbans, faults.',
    details: [],
    flags: [
      { name: 'follow', short: 'f', about: 'Go on with what happens, until interrupted.' },
      { name: 'last', short: 'n', value: 'COUNT', about: 'How many past events. Default: 100, with --follow 10.' },
      jsonLines,
      socket,
    ],
    operands: none,
    run: async (given) => (await import('./look.ts')).events(given),
  },
  {
    name: 'metrics',
    group: 'look',
    usage: '[--json]',
    about: 'The metrics as Prometheus would read them.',
    details: [],
    flags: [json, socket],
    operands: none,
    run: async (given) => (await import('./look.ts')).metrics(given),
  },
  {
    name: 'config',
    group: 'look',
    usage: '[--json]',
    about: 'The configuration in force, with the place of each value.',
    details: [],
    flags: [json, socket],
    operands: none,
    run: async (given) => (await import('./look.ts')).config(given),
  },
  {
    name: 'ping',
    group: 'look',
    usage: '[--json]',
    about: 'Whether the daemon answers.',
    details: ['Exit: 4 if it does not.'],
    flags: [json, socket],
    operands: none,
    run: async (given) => (await import('./look.ts')).ping(given),
  },
  {
    name: 'ban',
    group: 'act',
    usage: 'ADDRESS[/LEN]... [--jail JAIL] [--for DURATION] [--json]',
    about: 'Ban addresses or networks.',
    details: [
      'An address is banned as the jail would: in IPv6 with its /64, unless a length is given. Without --jail: jail "manual", all ports.\nReturns when it is stored and in the kernel. - reads addresses from stdin, one a line.',
      '  sluice ban 203.0.113.9 --for 1d\n  sluice ban - --for 1w < bad-hosts.txt',
      'Exit: 1 if one is refused because it must never be banned.',
    ],
    flags: [{ name: 'jail', value: 'JAIL', about: 'The jail whose ports and ban time count.' }, forLength, json, socket],
    operands: someAddresses,
    run: async (given) => (await import('./act.ts')).ban(given),
  },
  {
    name: 'unban',
    group: 'act',
    usage: 'ADDRESS[/LEN]... | --all [--offline] [--json]',
    about: 'End every ban of an address, in every jail, and forget its failures.',
    details: ['A network ends the bans within it too. - reads from stdin, one a line.', 'Exit: 5 if nothing was banned.'],
    flags: [
      { name: 'all', about: 'Every ban there is.' },
      { name: 'offline', about: 'With --all: without the daemon, which must not run. As root.' },
      { ...config, about: 'With --offline: the configuration, which says where the state is.' },
      json,
      socket,
    ],
    operands: { ...someAddresses, min: 0 },
    run: async (given) => (await import('./act.ts')).unban(given),
  },
  {
    name: 'allow',
    group: 'act',
    usage: 'ADDRESS[/LEN]... [--for DURATION | --remove] [--json]',
    about: 'Never ban these, and lift the bans they have.',
    details: [
      'It is stored. Without --for: until it is taken back. A later "allow" for the same address replaces the earlier.',
      'Exit: 5 if --remove found nothing to take back.',
    ],
    flags: [forLength, { name: 'remove', about: 'Take an earlier "allow" back; what the configuration allows stays.' }, json, socket],
    operands: someAddresses,
    run: async (given) => (await import('./act.ts')).allow(given),
  },
  {
    name: 'reload',
    group: 'act',
    usage: '[--confirm DURATION] [--json]',
    about: 'Read configuration and rules again; if they have mistakes, nothing is changed.',
    details: [
      'With --confirm the one before comes back after that time, unless "sluice confirm" is typed: a way back in, if the new one locks you out.\nThe files are not touched: what a restart reads is the new one.',
      '  sluice reload --confirm 5m && sluice status\n  sluice confirm',
      'Exit: 78 if they cannot be used.',
    ],
    flags: [{ name: 'confirm', value: 'DURATION', about: 'How long to wait for "sluice confirm", at most a day.' }, json, socket],
    operands: none,
    run: async (given) => (await import('./act.ts')).reload(given),
  },
  {
    name: 'confirm',
    group: 'act',
    usage: '[--json]',
    about: 'Keep what "reload --confirm" brought.',
    details: ['Exit: 5 if nothing waits to be confirmed.'],
    flags: [json, socket],
    operands: none,
    run: async (given) => (await import('./act.ts')).confirm(given),
  },
  {
    name: 'reset-breaker',
    group: 'act',
    usage: '[--json]',
    about: 'Make bans again, after the breaker stopped them because they looked like a mistake.',
    details: ['docs/runbook.md, SluiceBreakerOpen, tells what to look at first.', 'Exit: 5 if bans had not stopped.'],
    flags: [json, socket],
    operands: none,
    run: async (given) => (await import('./act.ts')).resetBreaker(given),
  },
  {
    name: 'completion',
    group: 'shell',
    usage: 'bash|zsh|fish',
    about: 'Print completions for a shell.',
    details: ['  source <(sluice completion bash)\n  sluice completion fish > ~/.config/fish/completions/sluice.fish'],
    flags: [],
    operands: { min: 1, max: 1, missing: 'for which shell: bash, zsh or fish?' },
    run: async (given) => (await import('./completion.ts')).completion(given.operands[0] ?? '', commands),
  },
];

function wantedBy(given: Given): Wanted {
  const spec = given.text('filter');
  const pattern = given.text('pattern');
  const regex = given.text('regex');
  const over = { ignore: given.texts('ignore'), date: given.text('date'), noDate: given.on('no-date') };
  const found: { readonly flag: string; readonly wanted: Wanted }[] = [];
  if (spec !== undefined)
    found.push({ flag: '--filter', wanted: isForeign(spec) ? { kind: 'fail2ban', spec, ...over } : { kind: 'filter', spec } });
  if (pattern !== undefined) found.push({ flag: '--pattern', wanted: { kind: 'pattern', text: pattern } });
  if (regex !== undefined) found.push({ flag: '--regex', wanted: { kind: 'regex', text: regex, ...over } });
  const [only, other] = found;
  if (only === undefined) throw new UsageError('what to look for? Give --filter, --pattern or --regex');
  if (other !== undefined) throw new UsageError(`${only.flag} and ${other.flag} exclude each other`);
  if (over.date !== undefined && over.noDate) throw new UsageError('--date and --no-date exclude each other');
  if (
    (only.wanted.kind === 'filter' || only.wanted.kind === 'pattern') &&
    (over.ignore.length > 0 || over.date !== undefined || over.noDate)
  ) {
    throw new UsageError("--ignore, --date and --no-date go with --regex and fail2ban's filters; a rule file has except:");
  }
  return only.wanted;
}

/** A path that ends in .conf or .local, or `fail2ban:NAME`, each perhaps with options in brackets. */
function isForeign(spec: string): boolean {
  return spec.startsWith('fail2ban:') || /\.(?:conf|local)(?:\[.*\])?\s*$/s.test(spec);
}

function moment(given: Given): number | undefined {
  const text = given.text('now');
  if (text === undefined) return undefined;
  const ms = parseMoment(text);
  if (ms === undefined)
    throw new UsageError(`--now: "${text}" is not a time; write 2026-11-22, 2026-11-22T20:38, 2026-11-22T20:38:06+01:00 or @1795376286`);
  return ms;
}
