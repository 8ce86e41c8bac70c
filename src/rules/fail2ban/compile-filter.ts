import type { TextMistake } from '../../model/foreign-dialect.ts';
import type { FilterTexts, ForeignFilter, ForeignRegex } from '../../model/foreign-filter.ts';
import { dateSource, finderOf } from './date-finder.ts';
import { zoneMinutes } from './date-zones.ts';
import { checkOffender, compileRegex } from './regex-compile.ts';
import type { CompileSettings } from './regex-compile.ts';
import { RegexMistake } from './regex-tree.ts';

export interface CompiledFilter {
  /** undefined if there are mistakes. */
  readonly filter: ForeignFilter | undefined;
  readonly mistakes: readonly TextMistake[];
}

/**
 * Compiles a filter of fail2ban.
 *
 * @param nowMs `%ExY` in dates takes years from 2000 to the end of the decade in which now and three years lies
 */
export function compileFilter(texts: FilterTexts, nowMs: number): CompiledFilter {
  const mistakes: TextMistake[] = [];
  const attempt = <T>(option: TextMistake['option'], index: number, act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof RegexMistake)) throw error;
      const { start, end, message, help } = error;
      mistakes.push({ option, index, start, end, message, help });
      return undefined;
    }
  };
  const settings: CompileSettings = { multiline: false, names: texts.usedns !== 'no' };
  const many = { ...settings, multiline: texts.maxlines > 1 };
  const { prefregex } = texts;
  const prefRegex =
    prefregex === undefined || prefregex === '' ? undefined : attempt('prefregex', 0, () => compileRegex(prefregex, settings));
  const failRegexes = texts.failregex.map((text, index) =>
    attempt('failregex', index, () => {
      const regex = compileRegex(text, many);
      checkOffender(regex, prefRegex);
      return regex;
    }),
  );
  const ignoreRegexes = texts.ignoreregex.map((text, index) => attempt('ignoreregex', index, () => compileRegex(text, settings)));
  const { logtimezone } = texts;
  const defaultZone = logtimezone === undefined ? undefined : zoneMinutes(logtimezone);
  if (logtimezone !== undefined && defaultZone === undefined) {
    const message = `"${logtimezone}" is no time zone that logtimezone can have`;
    mistakes.push({
      option: 'logtimezone',
      index: 0,
      start: 0,
      end: logtimezone.length,
      message,
      help: 'write an offset, UTC+0200, or an abbreviation, CEST',
    });
  }
  const lastYear = new Date(nowMs).getUTCFullYear() + 3;
  const sources = (texts.datepattern.length === 0 ? [undefined] : texts.datepattern).map((line, index) =>
    attempt('datepattern', index, () => dateSource(line, { lastYear, defaultZone })),
  );
  if (mistakes.length > 0) return { filter: undefined, mistakes };
  const dates = finderOf(sources.filter((source) => source !== undefined));
  return {
    filter: { failRegexes: present(failRegexes), ignoreRegexes: present(ignoreRegexes), prefRegex, maxLines: texts.maxlines, dates },
    mistakes,
  };
}

function present(regexes: readonly (ForeignRegex | undefined)[]): readonly ForeignRegex[] {
  return regexes.filter((regex) => regex !== undefined);
}
