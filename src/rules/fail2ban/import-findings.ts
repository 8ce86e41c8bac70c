import { exactDuration } from '../../duration.ts';
import type { Increment } from '../../model/foreign-dialect.ts';
import { decoderLabel } from '../../model/log-encoding.ts';
import { readShell } from '../../model/shell-text.ts';
import type { F2bAction } from './actions.ts';
import { compileFilter } from './compile-filter.ts';
import { filterTexts, mistakeDiagnostics } from './filter-texts.ts';
import { toForeignActions } from './foreign-actions.ts';
import type { F2bJail } from './jail-file.ts';
import type { Place } from './sourced-text.ts';

/**
 * What becomes of one thing that a jail says. `differs`: it is otherwise here. `rights`: it works, and wants more than the shipped unit grants.
 * `directory`: it runs with `fail2ban: { path }`, and has no place in a native jail. `lost`: it cannot be had.
 */
export type Fate = 'differs' | 'rights' | 'directory' | 'lost';

export interface Finding {
  readonly fate: Fate;
  readonly file: string;
  /** 0: the whole file. */
  readonly line: number;
  readonly message: string;
}

/** What carries over, one option each. */
export interface Carried {
  readonly option: string;
  readonly value: string;
  readonly file: string;
  readonly line: number;
}

export function incrementOf({ bantime: { increment } }: F2bJail, purgeageMs: number): Increment | undefined {
  if (increment === undefined) return undefined;
  const { factor, formula, multipliers, maxMs, randomMs, overAllJails } = increment;
  return { factor, formula: formula?.text, multipliers, maxMs, randomMs, overall: overAllJails, rememberMs: purgeageMs };
}

export function carriedOf(jail: F2bJail, portsText: string): readonly Carried[] {
  const { name, filter, options, reading, findtimeMs, bantime, maxretry } = jail;
  const placeOf = (option: string): Place => options.get(option)?.places[0] ?? jail.place;
  const carried: Carried[] = [];
  const add = (option: string, value: string, place = placeOf(option)) =>
    carried.push({ option, value, file: place.file, line: place.line });
  const counts = [countOf(filter.failregex.length, 'failregex'), countOf(filter.ignoreregex.length, 'ignoreregex')];
  if (filter.prefregex !== undefined) counts.push('prefregex');
  if (filter.datepattern.length > 0) counts.push('datepattern');
  if (filter.maxlines > 1) counts.push(`maxlines ${filter.maxlines}`);
  add('filter', `${filter.name || name}: ${counts.filter((count) => count !== '').join(', ')}`);
  if (reading.kind === 'files')
    for (const { pattern, from, place } of reading.paths) add('logpath', from === 'tail' ? `${pattern} tail` : pattern, place);
  else add('journalmatch', reading.matches.map((group) => group.join(' ')).join(' + ') || 'every entry', placeOf('backend'));
  add('maxretry', String(maxretry));
  add('findtime', exactDuration(Math.round(findtimeMs)));
  add('bantime', bantime.firstMs === Infinity ? 'permanent' : exactDuration(Math.round(bantime.firstMs)));
  for (const option of [
    'bantime.increment',
    'bantime.factor',
    'bantime.formula',
    'bantime.multipliers',
    'bantime.maxtime',
    'bantime.rndtime',
    'bantime.overalljails',
  ]) {
    const value = options.get(option);
    if (bantime.increment !== undefined && value !== undefined && value.text !== '') add(option, value.text);
  }
  for (const { written, kind, place } of jail.ignoreip) if (kind !== 'unknown') add('ignoreip', written, place);
  for (const option of ['logencoding', 'logtimezone']) {
    const value = options.get(option)?.text ?? '';
    if (value !== '' && value !== 'auto') add(option, value);
  }
  if (portsText !== '') add('ports', portsText, placeOf('action'));
  return carried;
}

function countOf(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}`;
}

/**
 * @param differences what toForeignJail says of the jail's policy
 * @param nowMs see compileFilter
 */
export function findingsOf(jail: F2bJail, differences: readonly string[], nowMs: number): readonly Finding[] {
  const findings: Finding[] = [];
  const { options, filter } = jail;
  const placeOf = (option: string): Place => options.get(option)?.places[0] ?? jail.place;
  const add = (fate: Fate, { file, line }: Place, message: string) => findings.push({ fate, file, line, message });

  const { mistakes } = compileFilter(filterTexts(filter, jail.logtimezone), nowMs);
  for (const { file, line, message } of mistakeDiagnostics(filter, mistakes)) findings.push({ fate: 'lost', file, line, message });
  for (const { option, message } of mistakes) if (option === 'logtimezone') add('lost', placeOf(option), message);
  for (const { file, line, message } of jail.warnings) findings.push({ fate: 'differs', file, line, message });
  const usedns = filter.usednsWritten?.trim().toLowerCase();
  if (usedns === 'raw') add('lost', placeOf('usedns'), 'usedns = raw: a text that is no address cannot be banned');
  if (!jail.ignoreself) add('differs', placeOf('ignoreself'), "ignoreself = false: the host's own addresses are never banned all the same");
  if (decoderLabel(jail.logencoding) === undefined)
    add('differs', placeOf('logencoding'), `logencoding = ${jail.logencoding} is taken as UTF-8: there is no such decoder here`);
  if (jail.ignorecommand !== undefined) add('directory', placeOf('ignorecommand'), `ignorecommand = ${jail.ignorecommand}`);
  if (jail.reading.kind === 'journal') {
    const { options: journal } = jail.reading;
    if (journal.has('journalfiles'))
      add('lost', placeOf('backend'), 'journalfiles: single files of the journal are not read; journalpath (a directory) is');
    if (journal.has('journalflags'))
      add('differs', placeOf('backend'), 'journalflags has no meaning: every journal in the directory is read');
  }
  for (const message of differences) add('differs', placeOf('action'), message);
  for (const action of jail.actions) findings.push(...changedCommands(action));
  const { actions, refused, needs } = toForeignActions(jail.actions);
  for (const { name, place, why } of refused)
    add('lost', place, `action ${name}: ${why}; run from the directory, the whole jail is left out`);
  for (const { name, file } of actions) {
    const place = jail.actions.find((each) => each.name === name)?.place ?? placeOf('action');
    add('directory', place, `action ${name === file ? name : `${file} (${name})`}: a native jail runs no commands`);
  }
  for (const { name, place, what } of needs) add('rights', place, `action ${name}: ${what}`);
  return findings;
}

/** Programs that stock actions for the packet filter consist of. */
const filterPrograms =
  /^(?:iptables|ip6tables|nft|ipset|true|false|echo|test|\[|:|grep|sed|awk|cut|head|tail|sort|xargs|while|for|read|do|done|if|then|else|elif|fi|in|case|esac|!|\{|\}|sleep|\S*<\S+>\S*|0)$/;

/** Of an action that our sets replace: what somebody added to its start, stop or check is not done any more. */
function changedCommands(action: F2bAction): readonly Finding[] {
  if (action.kind !== 'commands' || action.kernel === undefined) return [];
  return [...action.commands].flatMap(
    ([
      command,
      {
        text,
        places: [place],
      },
    ]) => {
      if (command === 'actionban') return [];
      const others = readShell(text.replaceAll(/<[^<>\s]+>/g, '0'))
        .commands.map((words) => (words[0] ?? '').replace(/^.*\//, ''))
        .filter((program) => program !== '' && !filterPrograms.test(program));
      const changed = place.file.endsWith('.local');
      if (others.length === 0 && !changed) return [];
      const what = others.length > 0 ? `runs ${[...new Set(others)].join(', ')}` : 'is changed';
      return [
        {
          fate: 'differs' as const,
          file: place.file,
          line: place.line,
          message: `${command} of ${action.name} ${what}: our own sets take the action's place, and it is not run`,
        },
      ];
    },
  );
}
