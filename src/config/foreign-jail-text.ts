import { exactDuration } from '../duration.ts';
import { decoderLabel } from '../model/log-encoding.ts';
import type { Increment } from '../model/foreign-dialect.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import { ignoreText, portTexts } from './in-force.ts';

/**
 * A jail in fail2ban's dialect as it is written below `jails:`, indented by two. What only fail2ban's own files can say is left out: its actions,
 * ignorecommand. A jail of which no action closes a port only observes.
 *
 * @param comments lines above it
 */
export function foreignJailText(foreign: ForeignJail, increment: Increment | undefined, comments: readonly string[]): string {
  const { jail, texts, reading, ignore, readsBans } = foreign;
  const lines = [
    ...comments.map((comment) => `  # ${oneLine(comment)}`),
    `  ${scalar(jail.name)}:`,
    '    fail2ban:',
    ...optional('      prefregex', texts.prefregex === '' ? undefined : texts.prefregex),
    ...list('      failregex', texts.failregex),
    ...(texts.ignoreregex.length === 0 ? [] : list('      ignoreregex', texts.ignoreregex)),
    ...(texts.datepattern.length === 0 ? [] : list('      datepattern', texts.datepattern)),
    ...(texts.maxlines === 1 ? [] : [`      maxlines: ${texts.maxlines}`]),
    ...readingLines(reading),
    ...optional('      bans', readsBans),
    ...optional('      timezone', texts.logtimezone),
    ...(texts.usedns === 'warn' ? [] : [`      usedns: ${scalar(texts.usedns)}`]),
    ...(ignore.entries.length === 0 ? [] : list('      ignore', ignore.entries.map(ignoreText))),
    ...(increment === undefined ? [] : incrementLines(increment)),
    `    maxretry: ${jail.maxretry}`,
    `    findtime: ${durationText(jail.findtimeMs)}`,
    `    bantime: ${durationText(jail.bantime.firstMs)}`,
    `    ports: ${portsText(jail.ports)}`,
    ...(jail.closes === false || jail.observe ? ['    observe: true'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function readingLines(reading: ForeignJail['reading']): readonly string[] {
  if (reading.kind === 'files') {
    const paths = reading.paths.map(({ pattern, from }) =>
      from === 'head' ? scalar(pattern) : `{ path: ${scalar(pattern)}, from: tail }`,
    );
    return [
      ...(paths.length === 0 ? [] : ['      files:', ...paths.map((path) => `        - ${path}`)]),
      ...(reading.encoding === 'auto' || decoderLabel(reading.encoding) === undefined
        ? []
        : [`      encoding: ${scalar(reading.encoding)}`]),
    ];
  }
  const groups = reading.matches.map((group) => `        - [${group.map(scalar).join(', ')}]`);
  return [
    ...(groups.length === 0 ? ['      journal: []'] : ['      journal:', ...groups]),
    ...optional('      journal_directory', reading.directory),
    ...optional('      journal_namespace', reading.namespace),
  ];
}

function incrementLines({ factor, formula, multipliers, maxMs, randomMs, overall, rememberMs }: Increment): readonly string[] {
  const lines = [
    ...(factor === 1 ? [] : [`        factor: ${factor}`]),
    ...optional('        formula', formula),
    ...(multipliers.length === 0 ? [] : [`        multipliers: [${multipliers.join(', ')}]`]),
    ...(maxMs === Infinity ? [] : [`        max: ${durationText(maxMs)}`]),
    ...(randomMs === 0 ? [] : [`        random: ${durationText(randomMs)}`]),
    ...(overall ? ['        overall: true'] : []),
    `        remember: ${durationText(rememberMs)}`,
  ];
  return ['      increment:', ...lines];
}

function list(key: string, items: readonly string[]): readonly string[] {
  const indent = ' '.repeat(key.length - key.trimStart().length + 2);
  return items.length === 0 ? [`${key}: []`] : [`${key}:`, ...items.map((item) => `${indent}- ${scalar(item)}`)];
}

function optional(key: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [`${key}: ${scalar(value)}`];
}

function portsText(ports: ForeignJail['jail']['ports']): string {
  const texts = portTexts(ports);
  return texts === 'all' ? 'all' : `[${texts.join(', ')}]`;
}

/** Whole milliseconds: fail2ban's files may say 1.5s, or a third of a minute. */
function durationText(ms: number): string {
  return exactDuration(ms === Infinity ? ms : Math.round(ms));
}

/** In single quotes, in which a backslash is only a backslash; in double quotes where there is something that a file should not hold as it is. */
function scalar(text: string): string {
  if (/^[A-Za-z/][\w/.-]*$/.test(text) && !/^(?:true|false|null|y|n|yes|no|on|off)$/i.test(text)) return text;
  return unprintable.test(text) ? escaped(text) : `'${text.replaceAll("'", "''")}'`;
}

const unprintable = /[^\x20-\x7e\u00a1-\u1fff\u2030-\ud7ff\uf900-\ufefe\uff00-\uffef]/;

function escaped(text: string): string {
  return JSON.stringify(text).replaceAll(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7e\u00a1-\ud7ff]+/g, ' ');
}
