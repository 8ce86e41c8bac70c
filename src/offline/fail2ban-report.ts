import type { Foreign } from '../cli/options.ts';
import { printable } from '../diagnostic.ts';
import type { FilterTexts, ForeignFilter } from '../model/foreign-filter.ts';
import { dateForms } from '../rules/fail2ban/date-forms.ts';
import { parseReference } from '../rules/fail2ban/filter-reference.ts';
import { LineCounts } from './fail2ban-counts.ts';
import type { Report } from './test-report.ts';

/** fail2ban-regex shows fewer lines than this of a kind, unless all are asked for. */
const maxShown = 20;
/** Of its "Use" lines, in characters. */
const shortLength = 53;
/** Addresses shown. */
const topAddresses = 10;

export interface Fail2banReportOptions {
  readonly wanted: Foreign;
  readonly texts: FilterTexts;
  readonly filter: ForeignFilter;
  /** Show all lines that did not match. */
  readonly missed: boolean;
}

/**
 * The sections of fail2ban-regex, in its words and places; behind them the addresses found, which it does not tell. Lines that are empty or
 * begin with `#` and match nothing are not counted, as there.
 */
export function fail2banReport({ wanted, texts, filter, missed }: Fail2banReportOptions): Report {
  const forms = dateForms(texts.datepattern, { lastYear: new Date().getUTCFullYear() + 3, defaultZone: undefined });
  const counts = new LineCounts(filter, forms);
  const totals = { lines: 0, ignored: 0, matched: 0, missed: 0 };
  const kept = { ignored: [] as string[], missed: [] as string[] };
  const addresses = new Map<string, number>();
  let begun = false;
  let dated = !wanted.noDate;

  const keep = (lines: string[], text: string, all: boolean): void => {
    if (all || lines.length < maxShown) lines.push(printable(text));
  };
  return {
    needsMissed: true,
    flush: () => undefined,
    passed: () => undefined,
    log: (name) => {
      if (!begun) write(['', 'Running tests', '=============', '', ...useLines(wanted, texts)]);
      begun = true;
      dated = !wanted.noDate && !name.startsWith('journal:');
      write(useLog(name));
    },
    line: (_number, text, results, ignored, verdict) => {
      if (results.length === 0 && !ignored && (text === '' || text.startsWith('#'))) return;
      counts.add({ text, verdict, dated });
      totals.lines++;
      if (verdict?.kind === 'failure') {
        // A match over several lines takes those before it along, which were missed when they were read.
        const before = filter.maxLines > 1 ? Math.min(verdict.lines.length - 1, totals.missed) : 0;
        totals.matched += 1 + before;
        totals.missed -= before;
        if (before > 0) kept.missed.splice(-before);
      } else if (ignored) {
        totals.ignored++;
        keep(kept.ignored, text, false);
      } else {
        totals.missed++;
        keep(kept.missed, text, missed);
      }
      for (const { id } of results) addresses.set(id, (addresses.get(id) ?? 0) + 1);
    },
    end: () => {
      counts.settle();
      write(['', '', 'Results', '=======']);
      if (filter.prefRegex !== undefined) write(['', `Prefregex: ${counts.prefregex} total`, ...tree([filter.prefRegex.text])]);
      write(regexSection('Failregex', texts.failregex, counts.failregex));
      write(regexSection('Ignoreregex', texts.ignoreregex, counts.ignoreregex));
      const dates = forms.flatMap(({ name }, index) => ((counts.dates[index] ?? 0) > 0 ? [`[${counts.dates[index]}] ${name}`] : []));
      write(['', 'Date template hits:', ...tree(dates, '[# of hits] date format')]);
      write(['', `Lines: ${totals.lines} lines, ${totals.ignored} ignored, ${totals.matched} matched, ${totals.missed} missed`, '']);
      const lists = [
        ...lineSection('Ignored', kept.ignored, totals.ignored, ''),
        ...lineSection('Missed', kept.missed, totals.missed, missed ? 'all' : '  Use --missed to print all'),
      ];
      write(lists);
      if (addresses.size > 0) write([...(lists.length === 0 ? [] : ['']), ...addressSection(addresses)]);
      return totals.matched;
    },
  };
}

function write(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
}

/** What is run, as fail2ban-regex says it. */
function useLines(wanted: Foreign, texts: FilterTexts): readonly string[] {
  const lines = wanted.kind === 'regex' ? [use('failregex line', short(wanted.text))] : useFilter(wanted.spec);
  if (wanted.kind === 'fail2ban') lines.push(`Use         maxlines : ${texts.maxlines}`);
  if (texts.datepattern.length > 0) {
    const usual = texts.datepattern.every((pattern) => /^(?:\{DEFAULT\}|\{\^LN-BEG\})$/i.test(pattern));
    lines.push(`Use      datepattern : ${printable(texts.datepattern.join(' | '))}${usual ? ' : Default Detectors' : ''}`);
  }
  return [...lines, ...wanted.ignore.map((text) => use('ignoreregex line', short(text)))];
}

function useFilter(spec: string): string[] {
  const reference = parseReference(spec.startsWith('fail2ban:') ? spec.slice('fail2ban:'.length) : spec);
  if (typeof reference === 'string') return [];
  const { name, options } = reference;
  const [, directory, file] = /^(?:(.*)\/)?filter\.d\/([^/]+)\.(?:conf|local)$/.exec(name) ?? [];
  const from = spec.startsWith('fail2ban:')
    ? use('failregex filter file', `${name}, basedir: /etc/fail2ban`)
    : file === undefined
      ? use('failregex file', name)
      : use('failregex filter file', `${file}, basedir: ${directory ?? '.'}`);
  const pairs = [...options].map(([option, value]) => `'${option}': '${value}'`);
  return pairs.length === 0 ? [from] : [from, use('filter options', `{${pairs.join(', ')}}`)];
}

function use(what: string, value: string): string {
  const [first = '', ...rest] = what.split(' ');
  return `Use ${[first.padStart(what.startsWith('filter') ? 8 : 11), ...rest].join(' ')} : ${printable(value)}`;
}

function useLog(name: string): readonly string[] {
  if (name.startsWith('journal:'))
    return ['Use         systemd journal', `Use    journal match : ${printable(name.slice('journal:'.length))}`];
  const line = name !== '-' && name.includes(' ');
  return line
    ? [`Use      single line : ${printable(short(name))}`]
    : [`Use         log file : ${printable(name)}`, 'Use         encoding : UTF-8'];
}

function short(text: string): string {
  return text.length > shortLength ? `${text.slice(0, shortLength - 3)}...` : text;
}

function regexSection(title: string, regexes: readonly string[], hits: readonly number[]): readonly string[] {
  const rows = regexes.flatMap((text, index) => {
    const count = hits[index] ?? 0;
    return count === 0 ? [] : [`${String(index + 1).padStart(2)}) [${count}] ${printable(text)}`];
  });
  const total = hits.reduce((sum, count) => sum + count, 0);
  return ['', `${title}: ${total} total`, ...tree(rows, ' #) [# of hits] regular expression')];
}

/** @param more what to type for all; `all`: they are all here */
function lineSection(kind: 'Ignored' | 'Missed', lines: readonly string[], count: number, more: string): readonly string[] {
  if (count === 0) return [];
  if (more === 'all' || count < maxShown)
    return tree(
      lines.map((line) => line.trimEnd()),
      `${kind} line(s):`,
    );
  return [`${kind} line(s): too many to print.${more === '' ? '' : `${more} ${count} lines`}`];
}

function addressSection(addresses: ReadonlyMap<string, number>): readonly string[] {
  const top = [...addresses].toSorted(([, a], [, b]) => b - a).slice(0, topAddresses);
  return [
    `Addresses: ${addresses.size}`,
    ...tree(
      top.map(([address, times]) => `[${times}] ${printable(address)}`),
      `[# of hits] address${addresses.size > top.length ? `, the first ${top.length}` : ''}`,
    ),
  ];
}

function tree(rows: readonly string[], heading?: string): readonly string[] {
  if (rows.length === 0) return [];
  return [...(heading === undefined ? [] : [`|- ${heading}`]), ...rows.map((row) => `|  ${row}`), '`-'];
}
