import type { ForeignDialect } from '../../model/foreign-dialect.ts';
import type { ForeignIgnoreEntry } from '../../model/foreign-jail.ts';
import { banTimes } from './ban-lengths.ts';
import { compileFilter } from './compile-filter.ts';
import { FormulaError } from './formula-syntax.ts';
import { compileFormula } from './formula.ts';
import { parseIgnoreIp } from './ignore-ip.ts';
import { formulaNames } from './bantime.ts';
import { sourced } from './sourced-text.ts';

/**
 * fail2ban's dialect, for the reader of the configuration.
 *
 * @param nowMs see compileFilter
 * @param random for ban times with a random part
 */
export function fail2banDialect({ nowMs, random }: { readonly nowMs: number; readonly random: () => number }): ForeignDialect {
  return {
    mistakes: (texts) => compileFilter(texts, nowMs).mistakes,
    ignoreEntry,
    bantime: (firstMs, increment) => {
      if (increment === undefined) return { bantime: banTimes({ firstMs, increment }, 0, random) };
      const { factor, formula, multipliers, maxMs, randomMs, overall, rememberMs } = increment;
      try {
        const compiled = formula === undefined ? undefined : compileFormula(formula, formulaNames);
        const policy = { firstMs, increment: { factor, formula: compiled, multipliers, maxMs, randomMs, overAllJails: overall } };
        return { bantime: banTimes(policy, rememberMs, random) };
      } catch (error) {
        if (!(error instanceof FormulaError)) throw error;
        return { mistake: error.message, start: error.offset };
      }
    },
  };
}

function ignoreEntry(written: string): ForeignIgnoreEntry | undefined {
  const [entry, another] = parseIgnoreIp(sourced(written, { file: '', line: 0, column: 1 }));
  if (entry === undefined || another !== undefined) return undefined;
  switch (entry.kind) {
    case 'network':
      return { kind: 'network', prefix: entry.prefix };
    case 'name':
      return { kind: 'name', written: entry.written };
    case 'file':
      return { kind: 'file', path: entry.path };
    case 'unknown':
      return undefined;
  }
}
