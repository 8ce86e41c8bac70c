import { parseAddress } from '../model/address.ts';
import type { Address } from '../model/address.ts';
import type { Detection, NoDetection, Recognised } from '../model/detection.ts';
import type { Filter, Memory, Pattern } from '../model/filter.ts';
import { journalFits, journalGroups } from '../model/journal-match.ts';
import type { JournalGroups } from '../model/journal-match.ts';
import type { LogRecord } from '../model/record.ts';
import { createFittingPatterns, type FittingPatterns, type FittingTo } from './fitting-patterns.ts';
import { programMatches } from './program.ts';
import { Remembered } from './remembered.ts';

export interface MatchLimits {
  /** How much of a message is looked at, in UTF-16 code units. */
  readonly messageLength: number;
  /** Entries of each `remember`, for believed records and for others. */
  readonly remembered: number;
  /** How far apart two lines may be and still be joined, in ms of the records' time. */
  readonly rememberedMs: number;
  /** Program names whose filters are kept looked up. The names come from the network: at the bound all are forgotten and looked up anew. */
  readonly programs: number;
}

export const defaultMatchLimits: MatchLimits = { messageLength: 8_192, remembered: 65_536, rememberedMs: 3_600_000, programs: 1_024 };

export interface Matcher {
  /** Runs every filter that is for the record's program; at most one detection for each filter. */
  readonly match: (record: LogRecord) => Recognised;
  /** Remembered addresses thrown out for room so far. */
  readonly evicted: () => number;
}

/** What most records give. */
const nothing: Recognised = { detections: [], none: [] };

/**
 * Joins filters into one matcher: a record goes to the filters of its program, and of their patterns only those are tried whose literals the
 * text holds. Journal entries go only to filters whose `journal:` they fit: what a local user writes to the journal may bear any tag.
 */
export function createMatcher(filters: readonly Filter[], limits: MatchLimits = defaultMatchLimits): Matcher {
  const runners = filters.map((filter) => new FilterRunner(filter, limits));
  const byProgram = new Map<string, Dispatch>();
  const shared = new Map<string, Dispatch>();

  const dispatchTo = (appName: string): Dispatch => {
    const known = byProgram.get(appName);
    if (known !== undefined) return known;
    const chosen = runners.filter(({ filter }) => filter.programs.some((spec) => programMatches(spec, appName)));
    const key = chosen.map((runner) => runners.indexOf(runner)).join(' ');
    const dispatch = shared.get(key) ?? {
      runners: chosen,
      fittingTo: createFittingPatterns(chosen.map(({ filter }) => filter)),
    };
    // There are few combinations of filters, however many program names come.
    shared.set(key, dispatch);
    if (byProgram.size >= limits.programs) byProgram.clear();
    byProgram.set(appName, dispatch);
    return dispatch;
  };

  const match = (record: LogRecord): Recognised => {
    const { runners: chosen, fittingTo } = dispatchTo(record.appName ?? '');
    if (chosen.length === 0) return nothing;
    const text = record.text.length > limits.messageLength ? record.text.slice(0, limits.messageLength) : record.text;
    const fitting = fittingTo(text);
    if (fitting === undefined) return nothing;
    const detections: Detection[] = [];
    const none: NoDetection[] = [];
    for (let index = 0; index < chosen.length; index += 1) {
      const found = chosen[index]?.run(record, text, fitting[index] ?? nonePatterns);
      if (found === undefined) continue;
      if ('kind' in found) none.push(found);
      else detections.push(found);
    }
    if (detections.length > 0 || none.length > 0) return { detections, none };
    // Whoever was counted just now is not welcome.
    const successes = chosen.flatMap((runner, index) => runner.success(record, text, fitting[index] ?? nonePatterns) ?? []);
    return successes.length === 0 ? nothing : { detections, none, successes };
  };
  return { match, evicted: () => runners.reduce((sum, runner) => sum + runner.evicted(), 0) };
}

/** Filters that share programs. */
interface Dispatch {
  readonly runners: readonly FilterRunner[];
  /** For each of the runners. */
  readonly fittingTo: FittingTo;
}

const nonePatterns: FittingPatterns = { patterns: [], except: [], remember: [], success: [] };

/** One filter with what it remembers. */
class FilterRunner {
  readonly filter: Filter;
  private readonly journal: JournalGroups;
  private readonly memories: ReadonlyMap<string, { readonly memory: Memory; readonly remembered: Remembered }>;

  constructor(filter: Filter, limits: MatchLimits) {
    this.filter = filter;
    this.journal = journalGroups(filter.journal);
    this.memories = new Map(
      filter.remember.map((memory) => [memory.name, { memory, remembered: new Remembered(limits.remembered, limits.rememberedMs) }]),
    );
  }

  run(record: LogRecord, text: string, { patterns, except, remember }: FittingPatterns): Detection | NoDetection | undefined {
    if (record.origin.kind === 'journal' && !journalFits(this.journal, record.trusted)) return undefined;
    const filter = this.filter.name;
    this.remember(record, text, remember);
    for (const pattern of except) {
      if (pattern.match(text) !== undefined) return { kind: 'except', filter, pattern: pattern.name };
    }
    for (const pattern of patterns) {
      const found = pattern.match(text);
      if (found === undefined) continue;
      const { name, follows } = pattern;
      const address = found.address === undefined ? this.recall(record, pattern, found.captures) : parseAddress(found.address);
      if (address === undefined) return { kind: 'no_address', filter, pattern: name };
      return { filter, pattern: name, address, captures: found.captures, follows };
    }
    return undefined;
  }

  /** The client that this tells to be welcome. */
  success(record: LogRecord, text: string, { success }: FittingPatterns): Address | undefined {
    if (success.length === 0 || (record.origin.kind === 'journal' && !journalFits(this.journal, record.trusted))) return undefined;
    for (const pattern of success) {
      const found = pattern.match(text)?.address;
      if (found !== undefined) return parseAddress(found);
    }
    return undefined;
  }

  evicted(): number {
    return [...this.memories.values()].reduce((sum, { remembered }) => sum + remembered.evicted, 0);
  }

  private remember(record: LogRecord, text: string, memories: readonly Memory[]): void {
    for (const memory of memories) {
      const found = memory.pattern.match(text);
      const key = found?.captures.get(memory.key);
      const address = found?.address === undefined ? undefined : parseAddress(found.address);
      if (key !== undefined && address !== undefined && !isNoKey(key))
        this.memories.get(memory.name)?.remembered.keep(record, key, address);
    }
  }

  private recall(record: LogRecord, { address }: Pattern, captures: ReadonlyMap<string, string>): Address | undefined {
    if (address.kind === 'own') return undefined;
    const entry = this.memories.get(address.name);
    const key = entry === undefined ? undefined : captures.get(entry.memory.key);
    return entry === undefined || key === undefined || isNoKey(key) ? undefined : entry.remembered.recall(record, key);
  }
}

/** What Postfix writes where there is no queue id: it joins nothing. */
function isNoKey(key: string): boolean {
  return key === 'NOQUEUE';
}
