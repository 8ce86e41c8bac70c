import type { Diagnostic } from '../../diagnostic.ts';
import type { TextMistake } from '../../model/foreign-dialect.ts';
import type { FilterTexts } from '../../model/foreign-filter.ts';
import type { F2bFilter, SourcedLine } from './filter-file.ts';
import { diagnosticAt } from './mistake.ts';

/**
 * What of a filter that was read is compiled.
 *
 * `usedns = warn`, the default, is compiled as fail2ban compiles it: `<HOST>` takes names too, so that a match is found where fail2ban
 * finds it. Nobody is banned by a name all the same (Offender.isName): were names left out of the expression, another address further on
 * in the line could be taken.
 *
 * @param logtimezone of the jail
 */
export function filterTexts(filter: F2bFilter, logtimezone: string | undefined): FilterTexts {
  const written = filter.usednsWritten?.trim().toLowerCase();
  return {
    failregex: filter.failregex.map(({ text }) => text),
    ignoreregex: filter.ignoreregex.map(({ text }) => text),
    prefregex: filter.prefregex?.text,
    datepattern: filter.datepattern.map(({ text }) => text),
    maxlines: filter.maxlines,
    usedns: written === 'no' ? 'no' : filter.usedns === 'no' ? 'warn' : filter.usedns,
    logtimezone,
  };
}

/** Mistakes with the places where their lines were written. Those of the jail itself (`logtimezone`) are left to whoever read the jail. */
export function mistakeDiagnostics(filter: F2bFilter, mistakes: readonly TextMistake[]): readonly Diagnostic[] {
  return mistakes.flatMap(({ option, index, message, help }) => {
    const line = linesOf(filter, option)[index];
    return line === undefined ? [] : [diagnosticAt(line.place, `${option}: ${message}`, { help })];
  });
}

function linesOf(filter: F2bFilter, option: TextMistake['option']): readonly SourcedLine[] {
  switch (option) {
    case 'prefregex':
      return filter.prefregex === undefined ? [] : [filter.prefregex];
    case 'failregex':
    case 'ignoreregex':
    case 'datepattern':
      return filter[option];
    case 'logtimezone':
      return [];
  }
}
