import { statSync } from 'node:fs';
import type { Foreign } from '../cli/options.ts';
import { formatDiagnostics } from '../diagnostic.ts';
import { FilterGuard, type GuardedVerdict } from '../guard/filter-guard.ts';
import { journalLine } from '../match/fail2ban/journal-line.ts';
import { splitRegion } from '../receive/log-regions.ts';
import { type LogPlace, readRegions } from '../receive/read-log.ts';
import type { FilterTexts } from '../model/foreign-filter.ts';
import { compileFilter } from '../rules/fail2ban/compile-filter.ts';
import { type F2bFilter, readFilterFile } from '../rules/fail2ban/filter-file.ts';
import { parseReference } from '../rules/fail2ban/filter-reference.ts';
import { filterTexts, mistakeDiagnostics } from '../rules/fail2ban/filter-texts.ts';
import { IniCache } from '../rules/fail2ban/layering.ts';
import { diagnosticAt, Mistake } from '../rules/fail2ban/mistake.ts';
import type { Report, Result } from './test-report.ts';

/** A filter in fail2ban's dialect, ready to be run. */
export interface ForeignTest {
  readonly name: string;
  readonly texts: FilterTexts;
}

/** Where `fail2ban:NAME` is looked for. */
const filterDirectory = '/etc/fail2ban/filter.d';

/**
 * What `--filter PATH.conf[option=value]`, `--filter fail2ban:NAME[...]` or `--regex` names, with `--ignore` and `--date` over it.
 *
 * @returns rendered text in `mistakes` if it cannot be used
 */
export function openForeign(wanted: Foreign): ForeignTest | { readonly mistakes: string } {
  const read = wanted.kind === 'regex' ? typed(wanted.text) : fileOf(wanted.spec);
  if ('mistakes' in read) return read;
  const { ignore, date } = wanted;
  const texts: FilterTexts = {
    ...read.texts,
    ignoreregex: [...read.texts.ignoreregex, ...ignore],
    ...(date === undefined ? {} : { datepattern: [date] }),
  };
  // Not the logs' clock: the years that a date may have are bounded by today (%ExY).
  const { mistakes } = compileFilter(texts, Date.now());
  if (mistakes.length === 0) return { name: read.name, texts };
  const inFile = read.filter === undefined ? [] : mistakeDiagnostics(read.filter, mistakes);
  const elsewhere = mistakes.slice(inFile.length).map(({ option, index, start, message, help }) => {
    const text =
      option === 'ignoreregex'
        ? ignore[index - (texts.ignoreregex.length - ignore.length)]
        : option === 'datepattern'
          ? date
          : texts.failregex[index];
    const flag = option === 'failregex' ? '--regex' : option === 'ignoreregex' ? '--ignore' : '--date';
    return { diagnostic: diagnosticAt({ file: flag, line: 1, column: start + 1 }, message, { help }), text: text ?? '' };
  });
  const sources = new Map([...read.sources, ...elsewhere.map(({ diagnostic, text }) => [diagnostic.file, text] as const)]);
  return { mistakes: formatDiagnostics([...inFile, ...elsewhere.map(({ diagnostic }) => diagnostic)], sources) };
}

interface Read extends ForeignTest {
  readonly filter: F2bFilter | undefined;
  readonly sources: ReadonlyMap<string, string>;
}

function typed(regex: string): Read {
  const texts: FilterTexts = {
    failregex: [regex],
    ignoreregex: [],
    prefregex: undefined,
    datepattern: [],
    maxlines: 1,
    usedns: 'warn',
    logtimezone: undefined,
  };
  return { name: '--regex', texts, filter: undefined, sources: new Map() };
}

function fileOf(spec: string): Read | { readonly mistakes: string } {
  const reference = parseReference(spec.startsWith('fail2ban:') ? spec.slice('fail2ban:'.length) : spec);
  if (typeof reference === 'string') return { mistakes: `--filter ${spec}: ${reference}` };
  const { name, options } = reference;
  const path = spec.startsWith('fail2ban:') ? `${filterDirectory}/${name}.conf` : name;
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return { mistakes: `${path}: there is no such filter file` };
  const cache = new IniCache();
  try {
    const filter = readFilterFile(path, options, { backend: 'auto', cache });
    if (filter.failregex.length === 0)
      return { mistakes: `${path}: has no failregex, so it finds nothing; is it a file that others include?` };
    return { name: filter.name, texts: filterTexts(filter, undefined), filter, sources: cache.texts };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { mistakes: formatDiagnostics([error.diagnostic], cache.texts) };
  }
}

/** CPU time for one line. Longer than the daemon gives: here nobody else waits, and a verdict that depends on the machine's speed helps nobody. */
const deadlineMs = 1_000;
/** Lines that wait for their verdict at most: reading is held up beyond. */
const maxWaiting = 8_192;

/**
 * Runs the lines of a log through the filter, in a thread that is stopped if an expression takes too long over a line.
 *
 * @param noDate the lines carry no date: they are of `nowMs`
 * @returns why the log could not be read to its end
 */
export async function testForeign(
  place: LogPlace,
  { name, texts }: ForeignTest,
  { nowMs, noDate, report }: { readonly nowMs: number; readonly noDate: boolean; readonly report: Report },
): Promise<string | undefined> {
  const stalled: number[] = [];
  const guard = new FilterGuard([{ name, texts, timezone: 'local', compiledMs: Date.now() }], {
    deadlineMs,
    maxWaiting: Infinity,
    maxWaitingLength: Infinity,
  });
  const answers: Promise<void>[] = [];
  let waiting = 0;
  const take = (text: string, number: number, asked: Promise<GuardedVerdict>): void => {
    waiting++;
    const answered = asked.then((verdict) => {
      waiting--;
      if (verdict.kind === 'stalled' || verdict.kind === 'disabled') stalled.push(number);
      report.line(number, text, resultsOf(name, verdict), verdict.kind === 'ignored' || verdict.kind === 'waiting');
    });
    answers.push(answered);
  };
  let next = 1;
  const room = (): Promise<void> | undefined =>
    waiting < maxWaiting ? undefined : Promise.all(answers.splice(0)).then(() => report.flush());
  const why = await readRegions(place, {
    region: (region) => {
      next = splitRegion(region, next, (text, number) =>
        take(text, number, noDate ? guard.feedDated(name, text, nowMs) : guard.feed(name, text, nowMs)),
      );
      return room();
    },
    entry: ({ message, trusted, realtimeUs }) => {
      const { appName: identifier, procId: pid, text: said, stamp } = message;
      const text = journalLine({ hostname: trusted.get('_HOSTNAME'), identifier, pid, monotonicSeconds: undefined, message: said });
      take(text, next++, guard.feedDated(name, text, stamp?.ms ?? realtimeUs / 1_000));
      return room();
    },
  });
  await Promise.all(answers);
  const disabled = guard.isDisabled(name);
  await guard.close();
  if (stalled.length === 0) return why;
  const lines = stalled.slice(0, 5).join(', ');
  const stop = disabled
    ? 'its expressions took too long three times, and the rest of the log was not looked at'
    : 'its expressions took too long';
  return `${name}: ${stop}; lines ${lines}${stalled.length > 5 ? ', ...' : ''}`;
}

function resultsOf(filter: string, verdict: GuardedVerdict): readonly Result[] {
  if (verdict.kind !== 'failure') return [];
  const { id, address, failRegex, timeMs, fields, users, attempts } = verdict;
  const captures = new Map<string, unknown>(fields);
  if (users.length > 0) captures.set('users', users);
  captures.set('attempts', attempts);
  return [{ filter, pattern: `failregex-${failRegex + 1}`, id, address, timeMs, captures, follows: false }];
}
