import * as v from 'valibot';
import { formatDuration, parseDuration } from '../duration.ts';
import { type Prefix, parsePrefix, splitPrefix } from '../model/address.ts';
import { didYouMean } from '../model/spelling.ts';
import type { Begin } from './config.ts';
import { formatSize, parseSize } from './size.ts';

/** What the documentation says of a value beyond what its schema tells. */
export interface Facts {
  /** What kind of value: `duration`, `size`, `absolute path`. */
  readonly type: string;
  /** Least and greatest, as people write them. */
  readonly bounds?: string;
  /** A regular expression that every correct text fits; editors check it as one types. */
  readonly pattern?: string;
}

/** What became of a text: a value, or what is wrong with it. */
export type Read<T> = { readonly value: T } | { readonly mistake: string };

/** How a value that was found is shown: a text in quotes, so that "600" and 600 differ. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 80 ? `"${value.slice(0, 80)}..."` : `"${value}"`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === null || value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : 'a mapping';
}

/** Message of a schema: `found X, wanted Y`, and what the writer may have been caught by. */
function wanted(what: string, hint: Hint = () => '') {
  return ({ input }: v.BaseIssue<unknown>): string => {
    const caught = typeof input === 'string' || typeof input === 'number' ? hint(String(input)) : '';
    return `found ${shown(input)}, wanted ${what}${caught}`;
  };
}

/** What a text that was written shows of how it came about: '' if nothing. */
export type Hint = (written: string) => string;

const switchHint: Hint = (written) => (/^(?:yes|no|on|off|y|n)$/i.test(written) ? ': in YAML 1.2 yes, no, on and off are texts' : '');

const sizeHint: Hint = (written) => (/^\d+$/.test(written) ? `; a bare number has no unit: write "${written}K" or "${written}M"` : '');

/** A text that `parse` makes something of. */
export function text<T>(facts: Facts, what: string, parse: (text: string) => Read<T>, hint?: Hint) {
  return v.pipe(
    v.string(wanted(what, hint)),
    v.metadata({ facts }),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const read = parse(dataset.value);
      if ('value' in read) return read.value;
      addIssue({ message: read.mistake });
      return NEVER;
    }),
  );
}

export function flag() {
  return v.pipe(v.boolean(wanted('true or false', switchHint)), v.metadata({ facts: { type: 'true or false' } satisfies Facts }));
}

export function choice<const Options extends readonly string[]>(options: Options) {
  const names = options.map((option) => `"${option}"`).join(' or ');
  const hint: Hint = (written) => didYouMean(written, options);
  return v.pipe(v.picklist(options, wanted(names, hint)), v.metadata({ facts: { type: options.join(' or ') } satisfies Facts }));
}

/** @param unit what is counted: `failures`, `bits` */
export function whole(least: number, greatest: number, unit: string) {
  const message = wanted(`a whole number from ${least} to ${greatest}`);
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(greatest, message),
    v.metadata({ facts: { type: `number of ${unit}`, bounds: `${least} to ${greatest}` } satisfies Facts }),
  );
}

export function decimal(least: number, greatest: number) {
  const message = wanted(`a number from ${least} to ${greatest}`);
  return v.pipe(
    v.number(message),
    v.minValue(least, message),
    v.maxValue(greatest, message),
    v.metadata({ facts: { type: 'number', bounds: `${least} to ${greatest}` } satisfies Facts }),
  );
}

/** A length of time in ms. With `permanent`, it may be without end. */
export function duration(leastMs: number, greatestMs: number, permanent: 'finite' | 'permanent' = 'finite') {
  const endless = permanent === 'permanent';
  const bounds = `${formatDuration(leastMs)} to ${formatDuration(greatestMs)}${endless ? ', or permanent' : ''}`;
  const what = `a duration, such as 90s, 15m, 1h30m, 2d or 1w${endless ? ', or permanent' : ''}`;
  const parse = (written: string): Read<number> => {
    const ms = parseDuration(written);
    if (ms === undefined) return { mistake: `found ${shown(written)}, wanted ${what}${durationTrap(written)}` };
    if (ms === Infinity && endless) return { value: ms };
    if (ms < leastMs || ms > greatestMs) return { mistake: `found ${shown(written)}, wanted ${bounds}` };
    return { value: ms };
  };
  const pattern = `^${endless ? '(?:permanent|' : ''}(?:\\d{1,9}(?:ms|[smhdw]))+${endless ? ')' : ''}$`;
  return text({ type: 'duration', bounds, pattern }, what, parse, durationTrap);
}

function durationTrap(written: string): string {
  if (written === '-1') return '; "permanent" has no end';
  if (/^\d+$/.test(written)) return `; seconds or minutes is a guess: write "${written}s"`;
  const [, hours, minutes, seconds] = /^(\d+):([0-5]?\d)(?::([0-5]?\d))?$/.exec(written) ?? [];
  if (hours !== undefined)
    return `; write "${hours}h${Number(minutes)}m${seconds === undefined || Number(seconds) === 0 ? '' : `${Number(seconds)}s`}"`;
  if (/^[\d.]+\s*(?:mo|months?|y|years?)$/i.test(written)) return '; the units are ms, s, m, h, d and w: a year is 365d';
  if (/^(?:[\d.]+\s*[a-z]+\s*)+$/i.test(written)) return '; whole numbers with the units ms, s, m, h, d and w, without spaces';
  return '';
}

/** A number of bytes. */
export function size(leastBytes: number, greatestBytes: number) {
  const bounds = `${formatSize(leastBytes)} to ${formatSize(greatestBytes)}`;
  const what = 'a size, such as 64KiB or 8MiB';
  const parse = (written: string): Read<number> => {
    const bytes = parseSize(written);
    if (bytes === undefined) return { mistake: `found ${shown(written)}, wanted ${what}${sizeHint(written)}` };
    if (bytes < leastBytes || bytes > greatestBytes) return { mistake: `found ${shown(written)}, wanted ${bounds}` };
    return { value: bytes };
  };
  return text({ type: 'size', bounds, pattern: '^\\d{1,6}(KiB|MiB|GiB|K|M|G)$' }, what, parse, sizeHint);
}

/** @param greatestBytes what the file system or a socket address can hold */
export function absolutePath(greatestBytes = 4095) {
  const what = 'an absolute path';
  return text({ type: 'absolute path', pattern: '^/' }, what, (path): Read<string> => {
    const hint = path.startsWith('~') ? '; "~" is not expanded' : '';
    if (!path.startsWith('/')) return { mistake: `found ${shown(path)}, wanted ${what}, one that begins with "/"${hint}` };
    if (path.includes('\0') || path.includes('\n')) return { mistake: 'a path with a line break or NUL in it is not taken' };
    const bytes = Buffer.byteLength(path);
    if (bytes > greatestBytes) return { mistake: `the path is ${bytes} bytes long; at most ${greatestBytes} are possible here` };
    return { value: path };
  });
}

/** An address or a network, as people write it. */
export function network() {
  const what = 'an address or a network, such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32';
  return text({ type: 'address or network' }, what, (written): Read<Prefix> => {
    const prefix = parsePrefix(written);
    return prefix === undefined ? { mistake: `found ${shown(written)}, wanted ${what}${networkTrap(written)}` } : { value: prefix };
  });
}

function networkTrap(written: string): string {
  const [, network = '', length] = /^([^/]*)(?:\/(.*))?$/s.exec(written) ?? [];
  const single = parsePrefix(network);
  if (single !== undefined && length !== undefined) {
    if (/^255\.\d+\.\d+\.\d+$/.test(length)) return '; a mask is written as a number of bits, such as /24';
    return `; the length after the slash is at most ${splitPrefix(single).length} here`;
  }
  if (written.includes('%')) return '; without the zone behind "%"';
  if (/^0\d|\.0\d/.test(written)) return '; without leading zeros, which some programs read as octal';
  if (/^\d+(?:\.\d+){0,2}(?:\/\d+)?$/.test(written)) return '; with all four parts';
  if (/[a-z]/i.test(written) && written.includes('.') && !written.includes(':')) return '; names are never resolved';
  return '';
}

/** IANA's name of a time zone, or `local`. */
export function timezone() {
  const what = 'a time zone such as Europe/Berlin or UTC, or "local"';
  return text({ type: 'time zone' }, what, (name): Read<string> => {
    if (name === 'local' || isTimezone(name)) return { value: name };
    const known = ['local', 'UTC', ...Intl.supportedValuesOf('timeZone')];
    return { mistake: `found ${shown(name)}, wanted ${what}${didYouMean(name, known)}` };
  });
}

function isTimezone(name: string): boolean {
  // Intl takes offsets such as +02:00 too, which are wrong for half of the year in most places.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** A name that becomes a metric label and stands in messages. */
export function word(what: string, pattern: RegExp, description: string, hint: Hint = () => '') {
  return text({ type: 'name', pattern: pattern.source }, what, (name): Read<string> => {
    if (pattern.test(name)) return { value: name };
    return { mistake: `found ${shown(name)}, wanted ${what}: ${description}${hint(name)}` };
  });
}

/** `start`, `end`, or so long ago. */
export function begin(greatestMs: number) {
  const what = `"start", "end", or a duration up to ${formatDuration(greatestMs)}`;
  return text(
    { type: 'start, end or duration', pattern: '^(?:start|end|(?:\\d{1,9}(?:ms|[smhdw]))+)$' },
    what,
    (written): Read<Begin> => {
      if (written === 'start' || written === 'end') return { value: { kind: written } };
      const agoMs = parseDuration(written);
      if (agoMs === undefined || agoMs > greatestMs) return { mistake: `found ${shown(written)}, wanted ${what}${durationTrap(written)}` };
      return { value: { kind: 'ago', agoMs } };
    },
    durationTrap,
  );
}
