import type * as v from 'valibot';
import type { Jail } from '../model/decision.ts';
import type { ForeignDialect, Increment, TextMistake } from '../model/foreign-dialect.ts';
import type { FilterTexts } from '../model/foreign-filter.ts';
import { type ForeignIgnoreEntry, type ForeignReading, foreignFilterName } from '../model/foreign-jail.ts';
import type { WrittenForeignJail } from './config.ts';
import type { Parts } from './part.ts';
import type { foreign } from './schema-fail2ban.ts';
import type { Path } from './tree.ts';

type Written = v.InferOutput<typeof foreign>;

/** What a jail says of itself beside its filter. */
interface Policy extends Omit<Jail, 'filters' | 'prefix'> {
  readonly prefix: { readonly ipv4?: number | undefined; readonly ipv6?: number | undefined };
}

/**
 * A jail with `fail2ban:`.
 *
 * @param path of the jail
 * @param options.policy undefined: there was a mistake in it
 * @returns undefined after a mistake, which has been reported
 */
export function resolveForeign(
  parts: Parts,
  path: Path,
  { written, policy, dialect }: { readonly written: Written; readonly policy: Policy | undefined; readonly dialect: ForeignDialect },
): WrittenForeignJail | undefined {
  const at = [...path, 'fail2ban'];
  const texts: FilterTexts = {
    failregex: written.failregex,
    ignoreregex: written.ignoreregex,
    prefregex: written.prefregex,
    datepattern: written.datepattern,
    maxlines: written.maxlines,
    usedns: written.usedns,
    logtimezone: written.timezone,
  };
  const mistakes = dialect.mistakes(texts);
  for (const mistake of mistakes) parts.mistakeWithin(pathOf(at, mistake), mistake, mistake.message, mistake.help);
  const reading = resolveReading(parts, at, written);
  const ignored = resolveIgnored(parts, at, written.ignore, dialect);
  const increment = incrementOf(written);
  const lengths = policy === undefined ? undefined : resolveLengths(parts, path, { policy, increment, dialect });
  if (written.failregex.length === 0) {
    parts.mistake([...at, 'failregex'], 'the list of expressions is empty: the jail would find nothing', 'write one, or "enabled: false"');
    return undefined;
  }
  if (policy === undefined || mistakes.length > 0 || reading === undefined || ignored === undefined || lengths === undefined)
    return undefined;
  const { file, line } = parts.placeOf(path);
  const { name, maxretry, prefix } = policy;
  return {
    jail: {
      ...policy,
      wholeFindtime: true,
      bantime: lengths,
      filters: [foreignFilterName(name)],
      prefix: { ipv4: prefix.ipv4 ?? 32, ipv6: prefix.ipv6 ?? 128 },
    },
    texts,
    reading,
    ignore: { entries: ignored, self: true, command: undefined, cache: undefined },
    actions: [],
    maxmatches: maxretry,
    readsBans: written.bans,
    increment,
    within: (part) => parts.within(pathOf(at, part), part),
    file,
    line,
  };
}

const keyOf = {
  failregex: 'failregex',
  ignoreregex: 'ignoreregex',
  prefregex: 'prefregex',
  datepattern: 'datepattern',
  logtimezone: 'timezone',
} as const;

function pathOf(at: Path, { option, index }: Pick<TextMistake, 'option' | 'index'>): Path {
  return option === 'prefregex' || option === 'logtimezone' ? [...at, keyOf[option]] : [...at, option, index];
}

function resolveReading(parts: Parts, at: Path, written: Written): ForeignReading | undefined {
  const { files, journal, journal_directory: directory, journal_namespace: namespace, encoding, bans } = written;
  if (files !== undefined && journal !== undefined) {
    parts.mistake(
      [...at, 'journal'],
      'a jail reads "files" or the "journal", not both: a line that comes both ways would count twice',
      'remove one',
    );
    return undefined;
  }
  if (journal !== undefined) return { kind: 'journal', matches: journal.filter((group) => group.length > 0), directory, namespace };
  for (const key of ['journal_directory', 'journal_namespace'] as const) {
    if (written[key] !== undefined) parts.mistake([...at, key], `${key} goes with "journal"`, 'journal: [] reads every entry');
  }
  if ((files === undefined || files.length === 0) && bans === undefined) {
    parts.mistake(
      files === undefined ? at : [...at, 'files'],
      'nothing says where the jail reads',
      'such as files: [/var/log/auth.log], or journal: [[_SYSTEMD_UNIT=ssh.service]]',
    );
    return undefined;
  }
  const paths = (files ?? []).map((each) =>
    typeof each === 'string' ? { pattern: each, from: 'head' as const } : { pattern: each.path, from: each.from },
  );
  return { kind: 'files', paths, encoding };
}

function resolveIgnored(
  parts: Parts,
  at: Path,
  ignore: readonly string[],
  { ignoreEntry }: ForeignDialect,
): readonly ForeignIgnoreEntry[] | undefined {
  const entries: ForeignIgnoreEntry[] = [];
  for (const [index, written] of ignore.entries()) {
    const entry = ignoreEntry(written);
    if (entry !== undefined) entries.push(entry);
    else
      parts.mistake([...at, 'ignore', index], `found "${written}", wanted an address, a network, a name or file:/PATH: this spares nobody`);
  }
  return entries.length === ignore.length ? entries : undefined;
}

function incrementOf({ increment }: Written): Increment | undefined {
  if (increment === undefined) return undefined;
  const { factor, formula, multipliers, max: maxMs, random: randomMs = 0, overall, remember: rememberMs } = increment;
  return { factor, formula, multipliers, maxMs, randomMs, overall, rememberMs };
}

function resolveLengths(
  parts: Parts,
  path: Path,
  { policy, increment, dialect }: { readonly policy: Policy; readonly increment: Increment | undefined; readonly dialect: ForeignDialect },
): Jail['bantime'] | undefined {
  const grows = parts.treeAt([...path, 'bantime'])?.kind === 'map' || policy.bantime.factor !== 1;
  if (grows && increment === undefined) return policy.bantime;
  if (grows) {
    parts.mistake(
      [...path, 'fail2ban', 'increment'],
      'bans grow by "increment" or by a mapping at "bantime", not by both',
      'with "increment", write the first ban alone: bantime: 10m',
    );
    return undefined;
  }
  const read = dialect.bantime(policy.bantime.firstMs, increment);
  if ('bantime' in read) return read.bantime;
  const part = { start: read.start, end: read.start + 1 };
  parts.mistakeWithin(
    [...path, 'fail2ban', 'increment', 'formula'],
    part,
    read.mistake,
    'only numbers, operators and the functions of math and random can be used',
  );
  return undefined;
}
