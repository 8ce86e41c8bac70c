/** `ignorecache`: how long the answers of `ignorecommand` are kept. */
export interface CacheSettings {
  /** With tags: what it gives for two failures is the same if they have one answer. */
  readonly key: string;
  readonly maxCount: number;
  readonly maxMs: number;
}

const defaults: CacheSettings = { key: '<ip>', maxCount: 100, maxMs: 300_000 };
/** Whatever the file says. */
const mostEntries = 100_000;

const option = /\s*([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,]*))\s*(?:,|$)/y;

/** @param written `key="<ip>", max-count=100, max-time=5m` @returns the mistake, as text, if it cannot be read */
export function parseIgnoreCache(written: string): CacheSettings | string {
  let settings = defaults;
  const text = written.trim();
  for (let at = 0; at < text.length; at = option.lastIndex) {
    option.lastIndex = at;
    const [, name = '', double, single, bare] = option.exec(text) ?? [];
    if (name === '') return `"name=value" was expected, found "${text.slice(at, at + 25)}"`;
    const value = (double ?? single ?? bare ?? '').trim();
    if (name === 'key') settings = { ...settings, key: value };
    else if (name === 'max-count') {
      if (!/^\d{1,9}$/.test(value)) return `max-count = ${value} is not a number`;
      settings = { ...settings, maxCount: Math.min(Number(value), mostEntries) };
    } else if (name === 'max-time') {
      const maxMs = parseTime(value);
      if (maxMs === undefined) return `max-time = ${value} is not a length of time such as 5m`;
      settings = { ...settings, maxMs };
    }
  }
  return settings;
}

const unitSeconds: readonly (readonly [RegExp, number])[] = [
  [/^(?:s|ss|sec\w*)?$/, 1],
  [/^(?:m|mm|mi|min\w*)$/, 60],
  [/^(?:h|hh|ho\w*)$/, 3_600],
  [/^(?:d|dd|da\w*)$/, 86_400],
  [/^(?:w|ww|we\w*)$/, 604_800],
  [/^mon?\w*$/, 2_629_800],
  [/^y\w*$/, 31_557_600],
];

const term = /(\d+(?:\.\d+)?)\s*([a-z]*)/gi;

/** `300`, `5m`, `1h30m`, `1 hour`. */
function parseTime(text: string): number | undefined {
  if (!/\d/.test(text) || /[^\s+]/.test(text.replaceAll(term, ''))) return undefined;
  let seconds = 0;
  for (const [, count = '', unit = ''] of text.matchAll(term)) {
    const found = unitSeconds.find(([names]) => names.test(unit.toLowerCase()));
    if (found === undefined) return undefined;
    seconds += Number(count) * found[1];
  }
  return seconds * 1_000;
}

/** Answers, the oldest one leaving where there is no room. */
export interface AnswerCache {
  readonly get: (key: string) => boolean | undefined;
  readonly set: (key: string, answer: boolean) => void;
}

export function createAnswerCache({ maxCount, maxMs }: CacheSettings, nowMs: () => number): AnswerCache {
  const kept = new Map<string, { readonly answer: boolean; readonly untilMs: number }>();
  return {
    get: (key) => {
      const found = kept.get(key);
      if (found === undefined || nowMs() < found.untilMs) return found?.answer;
      kept.delete(key);
      return undefined;
    },
    set: (key, answer) => {
      if (maxCount === 0) return;
      kept.delete(key);
      const [oldest] = kept.keys();
      if (kept.size >= maxCount && oldest !== undefined) kept.delete(oldest);
      kept.set(key, { answer, untilMs: nowMs() + maxMs });
    },
  };
}
