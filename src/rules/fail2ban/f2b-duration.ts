import { FormulaError } from './formula-syntax.ts';
import { compileFormula } from './formula.ts';

const day = 86_400;
/** A quarter of four years with one leap day. */
const year = 365.25 * day;

const unitSeconds: readonly (readonly [names: string, seconds: number])[] = [
  ['s ss se sec second seconds', 1],
  ['m mm mi min minute minutes', 60],
  ['h hh ho hou hour hours', 3_600],
  ['d dd da day days', day],
  ['w ww we wee week weeks', 7 * day],
  ['mo mon month months', year / 12],
  ['y yy ye yea year years', year],
];

const secondsOf: ReadonlyMap<string, number> = new Map(
  unitSeconds.flatMap(([names, seconds]) => names.split(' ').map((name) => [name, seconds] as const)),
);

/**
 * A length of time as fail2ban's files have it: `600`, `10m`, `1d12h30m`, `1h + 30min`, `1year-6mo`, `24*60*60`. Numbers with their units stand
 * behind each other or in a sum; letter case does not count; `m` is minutes.
 *
 * @returns seconds, negative for ever where that is allowed; the mistake, as text, if it cannot be read
 */
export function parseF2bDuration(text: string): number | string {
  const spaced = text.replace(/(?<=[a-z])(?=\d)/gi, ' ');
  const multiplied = spaced.replace(/(?<=[\d\s])[a-z]+\b/gi, (name) => {
    const seconds = secondsOf.get(name.toLowerCase());
    return seconds === undefined ? name : `*${seconds}`;
  });
  const summed = multiplied.replace(/(\d)\s+(\d)/g, '$1+$2');
  try {
    return compileFormula(summed, []).evaluate(new Map(), () => 0);
  } catch (error) {
    if (!(error instanceof FormulaError)) throw error;
    return `"${text}" is not a length of time; wanted one such as 600, 10m, 1d12h or -1`;
  }
}
