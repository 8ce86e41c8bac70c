import { exit } from '../cli/exit.ts';
import type { TestOptions, Wanted } from '../cli/options.ts';
import { printable } from '../diagnostic.ts';
import { endOfLog, type LogPlace, placeOfLog } from '../receive/read-log.ts';
import { jsonReport } from './json-report.ts';
import { type Report, textReport } from './test-report.ts';

/** `sluice test`: which lines of a log a filter or a pattern matches. Exit 5 if none. */
export async function testCommand({ logs, wanted, nowMs, missed, json }: TestOptions): Promise<number> {
  const tester = await openTester(wanted);
  if ('mistakes' in tester) {
    process.stderr.write(`${tester.mistakes}\n`);
    return exit.unusable;
  }
  const report = json ? jsonReport() : await tester.text(missed);
  let trouble = false;
  for (const name of logs) {
    report.log(name, logs.length > 1);
    const place = placeOfLog(name);
    const why =
      place === undefined
        ? `${name}: there is no such file, and it is no log line (that has a space)`
        : await tester.run(place, nowMs ?? endOfLog(place) ?? Date.now(), report);
    if (why === undefined) continue;
    process.stderr.write(`sluice test: ${printable(why)}\n`);
    trouble = true;
  }
  const matched = report.end();
  if (trouble) return exit.failed;
  return matched === 0 ? exit.nothing : exit.ok;
}

/** Runs one log through what is looked for. */
interface Tester {
  /** The report for people. */
  readonly text: (missed: boolean) => Report | Promise<Report>;
  /** @returns why the log could not be read to its end */
  readonly run: (place: LogPlace, nowMs: number, report: Report) => Promise<string | undefined>;
}

async function openTester(wanted: Wanted): Promise<Tester | { readonly mistakes: string }> {
  if (wanted.kind === 'regex' || wanted.kind === 'fail2ban') {
    // Loaded here: nobody else pays for fail2ban's dialect.
    const { openForeign, testForeign } = await import('./test-fail2ban.ts');
    const foreign = openForeign(wanted);
    if ('mistakes' in foreign) return foreign;
    const run: Tester['run'] = (place, endMs, report) => testForeign(place, foreign, { nowMs: endMs, noDate: wanted.noDate, report });
    const { filter, texts } = foreign;
    const text: Tester['text'] = async (missed) => (await import('./fail2ban-report.ts')).fail2banReport({ wanted, texts, filter, missed });
    return { text, run };
  }
  // Rule files are YAML, and what reads that is not needed for fail2ban's filters.
  const [{ wantedFilter }, { testRules }] = await Promise.all([import('./wanted-filter.ts'), import('./test-rules.ts')]);
  const found = wantedFilter(wanted);
  return 'mistakes' in found
    ? found
    : {
        text: (missed) => textReport(found.filter.patterns, missed),
        run: (place, endMs, report) => testRules(place, found, endMs, report),
      };
}
