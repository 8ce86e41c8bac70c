import { statSync } from 'node:fs';
import type { Foreign } from '../cli/options.ts';
import { formatDiagnostics } from '../diagnostic.ts';
import { journalLine } from '../match/fail2ban/journal-line.ts';
import type { LineFailure, LineVerdict } from '../match/fail2ban/line-matcher.ts';
import type { ForeignFilter } from '../model/foreign-filter.ts';
import { type LogPlace, readRegions } from '../receive/read-log.ts';
import type { FilterTexts } from '../model/foreign-filter.ts';
import { compileFilter } from '../rules/fail2ban/compile-filter.ts';
import { type F2bFilter, readFilterFile } from '../rules/fail2ban/filter-file.ts';
import { parseReference } from '../rules/fail2ban/filter-reference.ts';
import { filterTexts, mistakeDiagnostics } from '../rules/fail2ban/filter-texts.ts';
import { IniCache } from '../rules/fail2ban/layering.ts';
import { diagnosticAt, Mistake } from '../rules/fail2ban/mistake.ts';
import { foreignNeedles } from '../sieve/foreign-needles.ts';
import { createSieve } from '../sieve/sieve.ts';
import { ForeignRun } from './foreign-run.ts';
import type { Report, Result } from './test-report.ts';

/** A filter in fail2ban's dialect, ready to be run. */
export interface ForeignTest {
  readonly name: string;
  readonly texts: FilterTexts;
  readonly filter: ForeignFilter;
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
  const { filter, mistakes } = compileFilter(texts, Date.now());
  if (filter !== undefined) return { name: read.name, texts, filter };
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

interface Read {
  readonly name: string;
  readonly texts: FilterTexts;
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

/** Room for what is read at once. Large, because the watch over the expressions is wound up for each piece. */
const chunkBytes = 8 * 1024 * 1024;

/**
 * Runs the lines of a log through the filter. An expression that takes too long over a line is stopped.
 *
 * @param noDate the lines carry no date: they are of `nowMs`
 * @returns why the log could not be read to its end
 */
export async function testForeign(
  place: LogPlace,
  { name, filter }: ForeignTest,
  { nowMs, noDate, report }: { readonly nowMs: number; readonly noDate: boolean; readonly report: Report },
): Promise<string | undefined> {
  const needles = report.needsMissed ? undefined : foreignNeedles(filter);
  const sieve = needles === undefined ? undefined : createSieve(needles, chunkBytes);
  const { match } = report;
  const run = new ForeignRun(filter, {
    nowMs,
    noDate,
    sieve,
    ...(match === undefined
      ? {}
      : { failure: { render: (number, failure) => match.render(number, resultOf(name, failure)), take: match.take } }),
    line: (number, text, verdict) =>
      report.line(number, text, resultsOf(name, verdict), verdict?.kind === 'ignored' || verdict?.kind === 'waiting', verdict),
    passed: (lines) => report.passed(lines),
  });
  const why = await readRegions(
    place,
    {
      region: (region) => {
        run.region(region);
        return report.flush();
      },
      entry: ({ message, trusted, realtimeUs }) => {
        const { appName: identifier, procId: pid, text: said, stamp } = message;
        const text = journalLine({ hostname: trusted.get('_HOSTNAME'), identifier, pid, monotonicSeconds: undefined, message: said });
        run.entry(text, stamp?.ms ?? realtimeUs / 1_000);
        return report.flush();
      },
    },
    sieve === undefined ? {} : { chunk: sieve.input },
  );
  run.end();
  const { stopped, givenUp } = run;
  if (stopped.length === 0) return why;
  const stop = givenUp
    ? `its expressions took too long ${stopped.length} times, and the rest of the log was not looked at`
    : 'its expressions took too long';
  return `${name}: ${stop}; lines ${stopped.join(', ')}`;
}

function resultsOf(filter: string, verdict: LineVerdict | undefined): readonly Result[] {
  return verdict?.kind === 'failure' ? [resultOf(filter, verdict)] : noResults;
}

function resultOf(filter: string, { id, address, failRegex, timeMs, fields, users, attempts }: LineFailure): Result {
  const pattern = patternNames[failRegex] ?? `failregex-${failRegex + 1}`;
  return { filter, pattern, id, address, timeMs, captures: fields, joined: { users, attempts }, follows: false };
}

/** A name that is made anew for each match would be looked up anew as well. */
const patternNames = Array.from({ length: 100 }, (_, index) => `failregex-${index + 1}`);

const noResults: readonly Result[] = [];
