import type { Checkpointer } from './checkpointer.ts';
import type { Begin, Config } from '../config/config.ts';
import type { Events } from './events.ts';
import type { Foreign } from './foreign.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { SourceMetrics } from '../metrics/input-series.ts';
import type { Filter } from '../model/filter.ts';
import { journalGroups, journalctlGroups } from '../model/journal-match.ts';
import type { LogRecord } from '../model/record.ts';
import type { Sieve } from '../model/sieve.ts';
import type { FileSettings, JournalSettings, LostReason, Sink, Source, SourceError, StartAt, SyslogSettings } from '../model/source.ts';

/** One configured source, ready to be opened. */
export type Input = (SyslogSettings | JournalSettings | FileSettings) & { readonly from: Begin };

/** What is known of a source since the daemon started. */
export interface SourceState {
  readonly input: Input;
  up: boolean;
  detail: string;
  records: number;
  lastRecordMs: number | undefined;
  lagMs: number | undefined;
  connections: number | undefined;
  /** Nothing was heard of it yet. */
  starting: boolean;
  readonly errors: Partial<Record<SourceError, number>>;
  readonly lost: Partial<Record<LostReason, number>>;
}

/** The sources that a configuration asks for. The journal's matches come from the filters that jails use; without any it is not read. */
export function inputsOf({ sources }: Pick<Config, 'sources'>, filters: readonly Filter[]): readonly Input[] {
  const groups = new Map(
    journalctlGroups(filters.flatMap(({ journal }) => journalGroups(journal))).map((group) => [group.join(' '), group]),
  );
  const journal = sources.journal === undefined || groups.size === 0 ? [] : [{ ...sources.journal, matches: [...groups.values()] }];
  return [...journal, ...sources.files, ...sources.syslog.map((each) => ({ ...each, from: { kind: 'end' } as const }))];
}

export interface SourcesDeps {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  readonly handle: (record: LogRecord) => SourceError | undefined;
  readonly checkpointer: Checkpointer;
  /** What of all sources has to be looked at. */
  readonly sieve: Sieve;
  /** Takes the records of sources that are its own, and says when they are handled. */
  readonly foreign: Pick<Foreign, 'owns' | 'sieveOf' | 'take' | 'holds' | 'settled'>;
  readonly limits: { readonly messageBytes: number; readonly connections: number };
}

export interface Sources {
  /** Opens what is new, ends what is gone; a source with equal settings keeps its connections and its position. */
  readonly use: (inputs: readonly Input[]) => Promise<void>;
  readonly states: () => readonly SourceState[];
  /** Holds up the reading of what fail2ban's jails want held up, and goes on with the rest of theirs. */
  readonly hold: () => void;
  readonly stop: () => Promise<void>;
}

export function createSources(deps: SourcesDeps): Sources {
  let stopping = false;
  const running = new Map<string, { readonly source: Source | undefined; readonly state: SourceState }>();
  const keyOf = (input: Input): string => JSON.stringify(input);

  const begin = async (input: Input): Promise<void> => {
    const state: SourceState = {
      input,
      up: false,
      detail: 'starting',
      records: 0,
      lastRecordMs: undefined,
      lagMs: undefined,
      connections: undefined,
      starting: true,
      errors: {},
      lost: {},
    };
    running.set(keyOf(input), { source: undefined, state });
    try {
      const source = await openSource(
        input,
        sinkOf(state, deps, () => stopping),
        deps,
      );
      running.set(keyOf(input), { source, state });
      if (deps.foreign.owns(input.name) && deps.foreign.holds(input.name)) source.pause();
    } catch (error) {
      // A port that is taken must not keep the other sources from being read.
      state.detail = error instanceof Error ? error.message : String(error);
      deps.events.sourceUp(input.name, false, state.detail);
    }
  };

  return {
    use: async (inputs) => {
      const wanted = new Set(inputs.map(keyOf));
      const gone = [...running].filter(([key]) => !wanted.has(key));
      // First the old ones go: the new one may want the same port.
      await Promise.all(gone.map(async ([, { source }]) => source?.stop()));
      for (const [key] of gone) running.delete(key);
      // Where the next one begins is known when all that the last one read is decided on.
      if (gone.length > 0) await deps.foreign.settled();
      for (const input of inputs) if (!running.has(keyOf(input))) await begin(input);
    },
    states: () => [...running.values()].map(({ state }) => state),
    hold: () => {
      for (const { source, state } of running.values()) {
        if (!deps.foreign.owns(state.input.name)) continue;
        if (deps.foreign.holds(state.input.name)) source?.pause();
        else source?.resume();
      }
    },
    stop: async () => {
      stopping = true;
      await Promise.all([...running.values()].map(async ({ source }) => source?.stop()));
      running.clear();
    },
  };
}

/** Counts, and passes on. */
function sinkOf(state: SourceState, { events, metrics, nowMs, handle, checkpointer, foreign }: SourcesDeps, stopping: () => boolean): Sink {
  const { name } = state.input;
  const counters: SourceMetrics = metrics.source(name);
  const own = !foreign.owns(name);
  return {
    record: (record) => {
      if (record.stamp !== undefined) {
        state.lagMs = Math.max(0, record.receivedMs - record.stamp.ms);
        counters.lag(state.lagMs);
      }
      if (!own) return foreign.take(record, () => checkpointer.handled(record));
      const wrong = handle(record);
      if (wrong !== undefined) state.errors[wrong] = (state.errors[wrong] ?? 0) + 1;
      checkpointer.handled(record);
    },
    read: (records, bytes) => {
      const now = nowMs();
      state.records += records;
      if (records > 0) state.lastRecordMs = now;
      counters.read(records, bytes, now);
    },
    error: (reason, detail) => {
      state.errors[reason] = (state.errors[reason] ?? 0) + 1;
      events.sourceError(name, reason, detail);
    },
    lost: (reason, count, detail) => {
      state.lost[reason] = (state.lost[reason] ?? 0) + count;
      events.lost(name, reason, count, detail);
    },
    up: (up, detail) => {
      if (state.up === up && state.detail === detail) return;
      state.up = up;
      state.detail = detail;
      counters.up.set(up ? 1 : 0);
      // That sources come up at a start and go at a stop is no news.
      if (!stopping() && !(up && state.starting)) events.sourceUp(name, up, detail);
      state.starting = false;
    },
    connections: (open) => {
      state.connections = open;
      counters.connections.set(open);
    },
  };
}

async function openSource(input: Input, sink: Sink, { nowMs, checkpointer, limits, sieve, foreign }: SourcesDeps): Promise<Source> {
  const startAt = startOf(input.from, nowMs());
  const stored = checkpointer.cursors(input.name);
  switch (input.kind) {
    case 'journal': {
      const { openJournal } = await import('../receive/journal.ts');
      const cursor = stored.find((each) => each.cursor.kind === 'journal')?.cursor;
      const position = cursor?.kind === 'journal' ? cursor : undefined;
      // fail2ban's expressions see a name and a pid before the message, which do not stand there in the journal.
      return openJournal(input, sink, { nowMs, startAt, position, find: foreign.owns(input.name) ? undefined : sieve.find });
    }
    case 'file': {
      const { openFiles } = await import('../receive/file-tail.ts');
      const { parseFileLine } = await import('../parse/file-line.ts');
      const positions = stored.flatMap(({ cursor }) => (cursor.kind === 'file' ? [cursor] : []));
      return openFiles(input, sink, {
        nowMs,
        startAt,
        positions,
        parse: parseFileLine,
        sieve: foreign.owns(input.name) ? foreign.sieveOf(input.name) : sieve,
      });
    }
    case 'syslog': {
      const { syslogLimits } = await import('../receive/syslog-limits.ts');
      const own = { ...syslogLimits, nowMs, maxFrameBytes: limits.messageBytes, maxConnections: limits.connections, find: sieve.find };
      if (input.transport === 'udp') return (await import('../receive/syslog-udp.ts')).openSyslogUdp(input, sink, own);
      return (await import('../receive/syslog-tcp.ts')).openSyslogTcp(input, sink, own);
    }
  }
}

function startOf(from: Begin, nowMs: number): StartAt {
  return from.kind === 'ago' ? { kind: 'since', sinceMs: nowMs - from.agoMs } : from;
}
