import { Output } from './output.ts';
import { count, newTotals, type Report, type Result } from './test-report.ts';

/** One object for each match, in the order of the lines; last the summary. */
export function jsonReport(): Report {
  const totals = newTotals();
  const output = new Output();
  const heads = new Map<string, Head>();
  const names = new Map<string, Name>();
  let begin = '{"line":';
  let time = { ms: NaN as number | undefined, text: '' };

  // Of few pieces: each that is joined is a piece of memory, too.
  const render = (number: number, { filter, pattern, id, address, timeMs, captures, joined, follows }: Result): string => {
    let head = heads.get(pattern);
    if (head?.filter !== filter) heads.set(pattern, (head = headOf(filter, pattern)));
    // Lines of a busy second share it.
    if (time.ms !== timeMs) time = { ms: timeMs, text: timeText(timeMs) };
    let text = begin + number;
    // Names of patterns and captures, and addresses have nothing that JSON escapes.
    if (id === address) text += `${head.text}${id}","address":"${id}${time.text}`;
    else if (address !== undefined) text += `${head.text}${unquoted(id)}","address":"${address}${time.text}`;
    else text += `${head.text}${unquoted(id)}","address":null${time.text.slice(1)}`;
    let comma = '';
    for (const [name, value] of captures) {
      let known = names.get(name);
      if (known === undefined) names.set(name, (known = { first: `"${name}":"`, next: `","${name}":"` }));
      text += (comma === '' ? known.first : known.next) + unquoted(value);
      comma = '",';
    }
    if (joined !== undefined) {
      if (joined.users.length > 0) {
        text += `${comma}"users":${JSON.stringify(joined.users)}`;
        comma = ',';
      }
      text += `${comma}"attempts":${joined.attempts}`;
    } else if (comma !== '') text += '"';
    return text + (follows ? '},"follows":true}\n' : '}}\n');
  };
  return {
    needsMissed: false,
    log: (name, several) => {
      begin = several ? `{"log":${JSON.stringify(name)},"line":` : '{"line":';
    },
    line: (number, _text, results, ignored) => {
      count(totals, results.length > 0, ignored);
      for (const result of results) output.add(render(number, result));
    },
    match: {
      render,
      take: (rendered) => {
        count(totals, true, false);
        output.add(rendered);
      },
    },
    flush: () => output.flush(),
    passed: (lines) => {
      totals.lines += lines;
      totals.missed += lines;
    },
    end: () => {
      output.add(`${JSON.stringify({ summary: totals })}\n`);
      output.end();
      return totals.matched;
    },
  };
}

/** What stands between the line's number and the id. */
interface Head {
  readonly filter: string;
  readonly text: string;
}

/** What stands before the value of a capture; `next`: the quote behind the value before it, too. */
interface Name {
  readonly first: string;
  readonly next: string;
}

function headOf(filter: string, pattern: string): Head {
  return { filter, text: `,"filter":${JSON.stringify(filter)},"pattern":"${pattern}","id":"` };
}

/** Between the id and the captures. */
function timeText(ms: number | undefined): string {
  return `","time":${ms === undefined ? 'null' : `"${new Date(ms).toISOString()}"`},"captures":{`;
}

/** What JSON.stringify gives, without the quotes; most texts need no escape, and a look at them is quicker. */
function unquoted(value: string): string {
  return /^[ !#-[\]-~]*$/.test(value) ? value : JSON.stringify(value).slice(1, -1);
}
