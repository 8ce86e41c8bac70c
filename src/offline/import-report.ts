import type { Paint } from '../cli/paint.ts';
import { printable } from '../diagnostic.ts';
import type { Carried, Fate, Finding } from '../rules/fail2ban/import-findings.ts';

/** What becomes of one jail. */
export interface ImportedJail {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** The files of its filter, in the order in which they count. */
  readonly filterFiles: readonly string[];
  readonly carried: readonly Carried[];
  readonly findings: readonly Finding[];
  /** Expressions in which text of a client could stand before the address. */
  readonly unproved: readonly { readonly file: string; readonly line: number; readonly message: string }[];
  /** With --write: it stands in the file. */
  readonly written: boolean;
}

export interface ImportReport {
  readonly dir: string;
  readonly jails: readonly ImportedJail[];
  /** Of the directory as a whole. */
  readonly findings: readonly Finding[];
  /** What was written; undefined without --write. */
  readonly target: string | undefined;
}

/** Whether everything carries over. @param report.target a native file cannot hold what only the directory can */
export function isWhole({ jails, findings, target }: ImportReport): boolean {
  const fatal = ({ fate }: Finding): boolean => fate === 'lost' || (target !== undefined && fate === 'directory');
  return ![...findings, ...jails.flatMap((jail) => jail.findings)].some(fatal);
}

/** What holds for every jail, whatever its files say. */
const always: readonly string[] = [
  'failures within findtime are counted one by one; fail2ban estimates a rate, and sometimes bans earlier',
  'a name in place of an address (usedns = warn) is not looked up, and nobody is banned for it; usedns = yes is obeyed',
  'bans are elements of nftables sets (table inet sluice) that the kernel ends; they hold before any other rule, and for every chain',
];

const words: Readonly<Record<Fate, { readonly word: string; readonly tone: 'notable' | 'bad' | 'faint' }>> = {
  differs: { word: 'differs', tone: 'notable' },
  rights: { word: 'rights', tone: 'notable' },
  directory: { word: 'no command', tone: 'notable' },
  lost: { word: 'CANNOT', tone: 'bad' },
};

/** Of the first column. */
const width = 'journalmatch'.length;

/** What several jails share is said once: so many jails. */
const sharedBy = 3;

export function formatImport(report: ImportReport, paint: Paint): string {
  const { dir, jails, findings } = report;
  const common = commonFindings(jails);
  const short = (file: string): string => printable(file.startsWith(`${dir}/`) ? file.slice(dir.length + 1) : file);
  const place = ({ file, line }: { readonly file: string; readonly line: number }): string =>
    line === 0 ? short(file) : `${short(file)}:${line}`;
  const row = (finding: Finding, suffix = ''): string => {
    const { word, tone } = words[finding.fate];
    return `  ${paint(tone, word.padEnd(width))} ${printable(finding.message)}${suffix}  ${paint('faint', place(finding))}`;
  };
  const blocks = jails.map((jail) => {
    const own = jail.findings.filter((finding) => !common.has(keyOf(finding)));
    const head = `${paint('heading', printable(jail.name))}  ${paint('faint', [place(jail), ...jail.filterFiles.map(short)].join(', '))}`;
    return [
      head,
      ...carriedRows(jail.carried, place, paint),
      ...own.map((finding) => row(finding)),
      ...unprovedRows(jail, place, paint),
    ].join('\n');
  });
  const shared = [...common.values()].map(({ finding, names }) =>
    row(finding, ` (${names.length === jails.length ? 'all' : names.length} jails)`),
  );
  return [
    ...blocks,
    [paint('heading', 'Every jail'), ...always.map((text) => `  ${paint('notable', 'differs'.padEnd(width))} ${text}`), ...shared].join(
      '\n',
    ),
    ...(findings.length === 0 ? [] : [[paint('heading', printable(dir)), ...findings.map((finding) => row(finding))].join('\n')]),
    [summaryOf(report), ...nextSteps(report)].join('\n'),
    '',
  ].join('\n\n');
}

function keyOf({ fate, file, line, message }: Finding): string {
  return JSON.stringify([fate, file, line, message]);
}

function commonFindings(
  jails: readonly ImportedJail[],
): ReadonlyMap<string, { readonly finding: Finding; readonly names: readonly string[] }> {
  const all = new Map<string, { readonly finding: Finding; readonly names: readonly string[] }>();
  for (const { name, findings } of jails) {
    for (const finding of findings) {
      const key = keyOf(finding);
      all.set(key, { finding, names: [...(all.get(key)?.names ?? []), name] });
    }
  }
  // What cannot be had is said where it is missed.
  return new Map([...all].filter(([, { finding, names }]) => new Set(names).size >= sharedBy && finding.fate !== 'lost'));
}

/** One row for each option; several values of one option stand below each other. */
function carriedRows(carried: readonly Carried[], place: (at: Carried) => string, paint: Paint): readonly string[] {
  return carried.map((each, index) => {
    const option = carried[index - 1]?.option === each.option ? '' : each.option;
    return `  ${option.padEnd(width)} ${printable(cut(each.value))}  ${paint('faint', place(each))}`;
  });
}

const longestValue = 100;

function cut(text: string): string {
  return text.length > longestValue ? `${text.slice(0, longestValue)}...` : text;
}

/** More at once are counted: the rest is in `sluice check`, and with --json. */
const unprovedShown = 3;

function unprovedRows(
  { unproved }: ImportedJail,
  place: (at: { readonly file: string; readonly line: number }) => string,
  paint: Paint,
): readonly string[] {
  const rows = unproved
    .slice(0, unprovedShown)
    .map(
      (each) =>
        `  ${paint('notable', 'not proved'.padEnd(width))} ${printable(each.message.replace(/^not proved: /, ''))}  ${paint('faint', place(each))}`,
    );
  const more = unproved.length - rows.length;
  return more > 0 ? [...rows, `  ${''.padEnd(width)} and ${more} more (all of them: --json)`] : rows;
}

function summaryOf({ jails, findings, target }: ImportReport): string {
  const count = (wanted: Fate): number =>
    [...findings, ...jails.flatMap((jail) => jail.findings)].filter(({ fate }) => fate === wanted).length;
  const lost = jails.filter((jail) => !isWhole({ dir: '', jails: [jail], findings: [], target })).length;
  const unproved = jails.reduce((sum, jail) => sum + jail.unproved.length, 0);
  const parts = [
    `${numberOf(jails.length, 'jail')}, ${lost === 0 ? 'all carry over' : `of ${lost} not everything can be carried`}`,
    ...(count('directory') === 0 ? [] : [`${numberOf(count('directory'), 'command')} that only fail2ban's own files can hold`]),
    ...(unproved === 0 ? [] : [`${numberOf(unproved, 'place')} not proved`]),
    ...(target === undefined ? [] : [`${numberOf(jails.filter(({ written }) => written).length, 'jail')} written to ${printable(target)}`]),
  ];
  return parts.join('; ');
}

function nextSteps({ dir, target, jails }: ImportReport): readonly string[] {
  const log = jails
    .flatMap(({ carried }) => carried)
    .find(({ option, value }) => option === 'logpath' && !value.includes('fail2ban'))
    ?.value.replace(/ tail$/, '');
  if (target === undefined) {
    return [
      'Next:',
      `  sluice run --fail2ban ${printable(dir)} --observe    runs these jails as they are, and touches nothing`,
      `  sluice import fail2ban ${printable(dir)} --write sluice.yaml    turns them into a configuration of sluice's own`,
    ];
  }
  return [
    'Next:',
    `  sluice check -c ${printable(target)}`,
    ...(log === undefined || /[*?[]/.test(log)
      ? []
      : [`  sluice replay ${printable(log)} -c ${printable(target)}    whom it would have banned`]),
    `  sluice run -c ${printable(target)} --observe    decides and shows, and touches nothing`,
    '  systemctl disable --now fail2ban    before it is run in earnest',
  ];
}

function numberOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** For --json. */
export function importJson(report: ImportReport): unknown {
  const { dir, jails, findings, target } = report;
  const of = (all: readonly Finding[], wanted: Fate) =>
    all.filter(({ fate }) => fate === wanted).map(({ file, line, message }) => ({ message, file, line }));
  const fates = (all: readonly Finding[]) => ({
    differs: of(all, 'differs'),
    rights: of(all, 'rights'),
    directoryOnly: of(all, 'directory'),
    lost: of(all, 'lost'),
  });
  return {
    whole: isWhole(report),
    dir,
    written: target ?? null,
    always,
    ...fates(findings),
    jails: jails.map(({ name, file, line, filterFiles, carried, findings: own, unproved, written }) => ({
      name,
      file,
      line,
      filterFiles,
      written,
      carried,
      ...fates(own),
      unproved,
    })),
  };
}
