import { execa } from 'execa';
import type { FrameBatch } from '../frame/framer.ts';
import type { FindCandidate } from '../model/sieve.ts';
import type { JournalSettings, Sink, Source, StartAt } from '../model/source.ts';
import { createEntryParser, type Dropped, droppedMessageId, type JournalEntry, type ParseEntry } from '../parse/journal-entry.ts';
import { Backoff } from './backoff.ts';
import { type JournalStart, findJournalctl, journalArgs, placeArgs, trustedFields } from './journalctl.ts';
import { type JournalctlRun, maxEntryBytes, runJournalctl } from './journalctl-run.ts';
import { journalctlOptions, probeJournal } from './journal-probe.ts';

/** How far an earlier run has read. */
export interface JournalPosition {
  readonly cursor: string;
  readonly realtimeMs: number;
}

export interface JournalDeps {
  readonly nowMs: () => number;
  readonly position: JournalPosition | undefined;
  /** Where to begin without a position. */
  readonly startAt: StartAt;
  /** Entries in which it finds nothing are counted, and not read. */
  readonly find?: FindCandidate | undefined;
  /** Path of journalctl; default: where systems have it. */
  readonly journalctl?: string | undefined;
}

/**
 * Reads the systemd journal through `journalctl --follow`: no library, no native code, and its output is documented.
 *
 * journalctl is expected to end now and then (a known fault while files rotate). It is started again behind the last entry handed over, so
 * that nothing is lost and nothing comes twice: after 0.2 s, doubled up to 30 s while no entry comes.
 *
 * A journal that cannot be read is no error of this call: the sink hears `up(false, ...)` with what mends it, and it is tried again.
 *
 * @throws if a match is no `FIELD=value`
 */
export async function openJournal(settings: JournalSettings, sink: Sink, deps: JournalDeps): Promise<Source> {
  const follower = new JournalFollower(settings, sink, deps);
  await follower.begin();
  return {
    name: settings.name,
    kind: 'journal',
    pause: () => follower.pause(),
    resume: () => follower.resume(),
    stop: () => follower.stop(),
  };
}

const backoffMs = { firstMs: 200, longestMs: 30_000 } as const;
/** So many ends in a row without an entry between them are no longer the ordinary end of a journalctl whose files were rotated. */
const endsUntilDown = 3;

class JournalFollower {
  readonly #settings: JournalSettings;
  readonly #sink: Sink;
  readonly #deps: JournalDeps;
  readonly #journalctl: string | undefined;
  readonly #parse: ParseEntry;
  readonly #backoff = new Backoff(backoffMs);
  /** Where the next journalctl begins. */
  #start: JournalStart;
  #realtimeMs: number | undefined;
  /** The cursor that the running journalctl was started with, until its first entry tells whether that is still there. */
  #expected: string | undefined;
  #run: JournalctlRun | undefined;
  #followed: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #up: boolean | undefined;
  #paused = false;
  #stopped = false;

  constructor(settings: JournalSettings, sink: Sink, deps: JournalDeps) {
    this.#settings = settings;
    this.#sink = sink;
    this.#deps = deps;
    this.#journalctl = deps.journalctl ?? findJournalctl();
    this.#parse = createEntryParser(trustedFields(settings));
    this.#realtimeMs = deps.position?.realtimeMs;
    this.#start = deps.position === undefined ? this.#firstStart() : { kind: 'cursor', cursor: deps.position.cursor };
    journalArgs(settings, { matches: settings.matches, start: this.#start, follow: true }); // throws here rather than at every attempt
  }

  pause(): void {
    this.#paused = true;
    this.#run?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#run?.resume();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#run?.end();
    await this.#followed;
  }

  /** @returns once journalctl runs, or is known not to */
  async begin(): Promise<void> {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    this.#followed = this.#follow(resolve);
    await begun;
  }

  /** One life of journalctl. */
  async #follow(begun: () => void): Promise<void> {
    const probe = await probeJournal(this.#journalctl, this.#settings);
    if (this.#stopped || this.#journalctl === undefined || !probe.readable) {
      if (!probe.readable) this.#report(false, `${probe.why}: ${probe.mend}`);
      this.#again();
      begun();
      return;
    }
    if (this.#backoff.attempts < endsUntilDown) this.#report(true, '');

    const start = this.#start;
    this.#expected = start.kind === 'cursor' ? start.cursor : undefined;
    const run = await this.#runFrom(this.#journalctl, start);
    if (run === undefined) {
      this.#again();
      begun();
      return;
    }
    this.#run = run;
    if (this.#paused) run.pause();
    if (this.#stopped) run.end();
    begun();
    const { how, said } = await run.ended;
    this.#run = undefined;
    if (this.#stopped) return;

    if (start.kind === 'cursor' && said.includes('Failed to seek to cursor')) {
      this.#sink.lost('cursor_gap', 1, 'the stored cursor is none of this journal: reading goes on by time');
      // One microsecond, the journal's own grain, behind the last entry.
      this.#start = this.#realtimeMs === undefined ? this.#firstStart() : { kind: 'since', sinceMs: this.#realtimeMs + 0.001 };
    }
    const why = `journalctl ended (${how}${said === '' ? '' : `: ${said}`})`;
    this.#sink.error('restart', why);
    if (this.#backoff.attempts + 1 >= endsUntilDown) this.#report(false, why);
    this.#again();
  }

  /** @returns undefined, and says so, if what it would write to cannot be made */
  async #runFrom(journalctl: string, start: JournalStart): Promise<JournalctlRun | undefined> {
    const { matches } = this.#settings;
    try {
      return await runJournalctl(journalctl, journalArgs(this.#settings, { matches, start, follow: true }), {
        entries: (batches) => {
          for (const batch of batches) this.#takeBatch(batch);
        },
        bytes: (count) => this.#sink.read(0, count),
        oversize: () => this.#sink.error('oversize', `a journal entry of more than ${maxEntryBytes} bytes was skipped`),
        broken: () => this.#sink.error('decode', 'journalctl printed what is no entry'),
      });
    } catch (error) {
      this.#report(false, `cannot start journalctl: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  #again(): void {
    if (this.#stopped) return;
    this.#retry = setTimeout(() => {
      this.#followed = this.#follow(() => undefined);
    }, this.#backoff.nextMs());
  }

  /**
   * Of entries that the sieve passes over, only that they came is told. The last one is always read: it tells how far reading has come. So is
   * the first of a run, which tells of a gap, and what journald says of messages that it threw away.
   */
  #takeBatch({ bytes, spans }: FrameBatch): void {
    const find = this.#deps.find;
    const last = spans.length - 1;
    const behind = spans[last] ?? 0;
    let hit = find === undefined ? 0 : -1;
    let notice = -1;
    let passed = 0;
    for (let i = 1; i <= last; i += 2) {
      const start = spans[i - 1] ?? 0;
      const end = spans[i] ?? 0;
      if (find !== undefined && i < last && this.#expected === undefined) {
        if (hit < start) hit = find(bytes, start, behind);
        if (notice < start) notice = indexOrEnd(bytes, start, behind);
        if (hit >= end && notice >= end) {
          passed += 1;
          continue;
        }
      }
      this.#take(this.#parse(bytes, start, end));
    }
    if (passed > 0) this.#sink.read(passed, 0);
  }

  #take(entry: JournalEntry): void {
    if (entry.cursor === undefined) return this.#sink.error('decode', 'journalctl printed an entry without a cursor');
    const expected = this.#expected;
    this.#expected = undefined;
    if (entry.cursor === expected) return; // the one that was handed over last
    if (expected !== undefined) void this.#lookForGap(expected);

    this.#start = { kind: 'cursor', cursor: entry.cursor };
    this.#backoff.succeeded();
    this.#report(true, '');
    this.#sink.read(1, 0);
    if (entry.kind === 'entry') this.#deliver(entry);
    // Entries without a MESSAGE are ordinary: programs log with other fields alone.
    else if (entry.reason !== 'no_message') this.#sink.error('decode', `journal entry ${entry.cursor}: ${entry.reason}`);
  }

  #deliver(entry: JournalEntry & { readonly kind: 'entry' }): void {
    this.#realtimeMs = entry.realtimeUs / 1000;
    const { dropped } = entry;
    if (dropped !== undefined && concerns(dropped, this.#settings.matches)) {
      this.#sink.lost(
        'suppressed',
        dropped.count,
        `journald suppressed messages of ${dropped.unit ?? 'some unit'} (RateLimitBurst= of journald.conf)`,
      );
    }
    this.#sink.record({
      ...entry.message,
      source: this.#settings.name,
      origin: { kind: 'journal', cursor: entry.cursor, realtimeMs: this.#realtimeMs },
      trust: 'full',
      receivedMs: this.#deps.nowMs(),
      trusted: entry.trusted,
      catchingUp: false,
    });
  }

  /**
   * The first entry was not the one asked for. Either that one was vacuumed away, and perhaps others behind it, or it does not fit the
   * matches, which a reload may have changed: ask without matches.
   */
  async #lookForGap(cursor: string): Promise<void> {
    if (this.#journalctl === undefined) return;
    const args = [
      ...placeArgs(this.#settings),
      `--cursor=${cursor}`,
      '--lines=1',
      '--quiet',
      '--output=export',
      '--output-fields=_BOOT_ID',
    ];
    const { stdout } = await execa(this.#journalctl, [...args, '--no-pager'], journalctlOptions);
    if (stdout.startsWith(`__CURSOR=${cursor}\n`)) return;
    this.#sink.lost(
      'cursor_gap',
      1,
      'the journal was vacuumed beyond what had been read, nobody knows by how much (SystemMaxUse= of journald.conf)',
    );
  }

  #firstStart(): JournalStart {
    const { startAt } = this.#deps;
    // `end` as a time: if journalctl must be started again before its first entry, nothing is skipped.
    return startAt.kind === 'end' ? { kind: 'since', sinceMs: this.#deps.nowMs() } : startAt;
  }

  #report(up: boolean, detail: string): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#sink.up(up, detail);
  }
}

/** Where the mark of journald's notices of suppressed messages is next. */
function indexOrEnd(bytes: Buffer, start: number, end: number): number {
  const found = bytes.indexOf(noticeMark, start);
  return found === -1 ? end : found;
}

const noticeMark = Buffer.from(droppedMessageId);

/** Whether the suppressed messages may have been ours: units that we do not read may lose what they like. */
function concerns({ unit, slice }: Dropped, matches: readonly (readonly string[])[]): boolean {
  return matches.length === 0 || matches.some((group) => allows(group, '_SYSTEMD_UNIT', unit) && allows(group, '_SYSTEMD_SLICE', slice));
}

function allows(group: readonly string[], field: string, value: string | undefined): boolean {
  const wanted = group.filter((term) => term.startsWith(`${field}=`));
  return wanted.length === 0 || value === undefined || wanted.includes(`${field}=${value}`);
}
