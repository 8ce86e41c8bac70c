import type { Diagnostic } from '../../diagnostic.ts';
import type { F2bFilter } from './filter-file.ts';
import { filterTexts } from './filter-texts.ts';
import { diagnosticAt } from './mistake.ts';
import { type Unproved, unprovedExpressions } from './proof.ts';

/** The expressions of a filter that are not proved, with the lines where they are written; what is wrong with a prefregex is said once. */
export function unprovedDiagnostics(filter: F2bFilter, logtimezone: string | undefined): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  for (const unproved of unprovedExpressions(filterTexts(filter, logtimezone))) {
    const line = unproved.option === 'prefregex' ? filter.prefregex : filter.failregex[unproved.index];
    if (line === undefined) continue;
    const key = unproved.option === 'prefregex' ? 'prefregex' : `failregex ${unproved.index}`;
    if (!found.has(key)) found.set(key, diagnosticAt(line.place, unprovedMessage(unproved), { severity: 'warning' }));
  }
  return [...found.values()];
}

/** Why, in words for a person. */
export function unprovedMessage({ because, option, hole }: Unproved): string {
  const where = option === 'prefregex' ? ' of the prefregex' : '';
  const shown = hole.length > longestHole ? `${hole.slice(0, longestHole)}...` : hole;
  return because === 'unanchored'
    ? `not proved: the match${where} may begin anywhere in the line, so text of a client could be all of it`
    : `not proved: text of a client could stand before the address, "${shown}"${where} takes it`;
}

const longestHole = 40;
