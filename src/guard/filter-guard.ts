import { Worker } from 'node:worker_threads';
import type { LineVerdict } from '../match/fail2ban/line-matcher.ts';
import type { Batch, BatchVerdicts, GuardedFilter, LineTask, WorkerData } from './guard-protocol.ts';

/** What comes of a line that was given to the guard. */
export type GuardedVerdict =
  | LineVerdict
  /** The filter took too long over this line and was stopped. */
  | { readonly kind: 'stalled' }
  /** The filter was stopped too often, or is not known: it sees no more lines. */
  | { readonly kind: 'disabled' }
  /** Too many lines were waiting: this one was not looked at. */
  | { readonly kind: 'overflow' };

export interface GuardOptions {
  /** CPU time that a filter may spend on one line, in ms. */
  readonly deadlineMs?: number;
  /** At this many stops a filter is disabled. */
  readonly maxStrikes?: number;
  /** Lines that may wait, over all filters, and UTF-16 code units of them. */
  readonly maxWaiting?: number;
  readonly maxWaitingLength?: number;
  /** A filter was stopped over a line. `disabled`: it was once too often. */
  readonly onStrike?: (strike: {
    readonly filter: string;
    readonly line: string;
    readonly strikes: number;
    readonly disabled: boolean;
  }) => void;
}

interface Waiting extends Omit<LineTask, 'sequence'> {
  readonly answer: (verdict: GuardedVerdict) => void;
  /** Known without asking; it is given when its turn comes. */
  readonly verdict?: GuardedVerdict;
}

/** Compiled, both ends lie in one folder. */
const workerFile = import.meta.url.endsWith('.ts') ? 'guard-worker.ts' : 'guard-worker.js';
const batchSize = 256;
/** How often the watch looks, in ms. */
const watchMs = 10;
const workerMegabytes = 256;
/** How much of a line is looked at, in UTF-16 code units. */
const lineLength = 8_192;

/**
 * Runs foreign filters in a thread of their own, so that an expression that takes exponential time stalls nobody else.
 *
 * Lines are answered in the order in which they were given. A filter that spends more than its CPU time on a line is stopped with its
 * thread; a new thread goes on behind that line. What the filters remembered (connections, lines that a match may span) is lost with the
 * thread, which at most `maxStrikes` lines for each filter can cause. CPU time counts, not the clock: a busy machine disables nobody.
 */
export class FilterGuard {
  private readonly deadlineMs: number;
  private readonly maxStrikes: number;
  private readonly maxWaiting: number;
  private readonly maxWaitingLength: number;
  private readonly onStrike: GuardOptions['onStrike'];
  private readonly filters: ReadonlyMap<string, GuardedFilter>;
  private readonly strikes = new Map<string, number>();
  private readonly inWork = new Int32Array(new SharedArrayBuffer(4));
  private waiting: Waiting[] = [];
  private flying: readonly Waiting[] = [];
  private firstFlying = 1;
  private sequence = 0;
  private pendingLength = 0;
  private worker: Worker | undefined;
  private watch: NodeJS.Timeout | undefined;
  private scheduled = false;
  private closed = false;

  constructor(
    filters: readonly GuardedFilter[],
    { deadlineMs = 50, maxStrikes = 3, maxWaiting = 65_536, maxWaitingLength = 1 << 24, onStrike }: GuardOptions = {},
  ) {
    this.filters = new Map(filters.map((filter) => [filter.name, filter]));
    this.deadlineMs = deadlineMs;
    this.maxStrikes = maxStrikes;
    this.maxWaiting = maxWaiting;
    this.maxWaitingLength = maxWaitingLength;
    this.onStrike = onStrike;
  }

  /** A line of a file or of syslog text; see LineMatcher.feed. Never rejects. */
  feed(filter: string, line: string, nowMs: number): Promise<GuardedVerdict> {
    return this.take({ filter, line, timeMs: nowMs, dated: false });
  }

  /** A text without a date; see LineMatcher.feedDated. Never rejects. */
  feedDated(filter: string, line: string, timeMs: number): Promise<GuardedVerdict> {
    return this.take({ filter, line, timeMs, dated: true });
  }

  isDisabled(filter: string): boolean {
    return !this.filters.has(filter) || (this.strikes.get(filter) ?? 0) >= this.maxStrikes;
  }

  /** Lines that are not answered yet. */
  get pending(): number {
    return this.waiting.length + this.flying.length;
  }

  /** Ends the thread. Lines not answered yet are answered with `disabled`. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { answer } of [...this.flying, ...this.waiting]) answer({ kind: 'disabled' });
    this.flying = [];
    this.waiting = [];
    await this.endWorker();
  }

  private take(task: Omit<LineTask, 'sequence'>): Promise<GuardedVerdict> {
    if (this.closed || this.isDisabled(task.filter)) return Promise.resolve({ kind: 'disabled' });
    const line = task.line.length > lineLength ? task.line.slice(0, lineLength) : task.line;
    if (this.pending >= this.maxWaiting || this.pendingLength + line.length > this.maxWaitingLength)
      return Promise.resolve({ kind: 'overflow' });
    const { promise, resolve } = Promise.withResolvers<GuardedVerdict>();
    this.waiting.push({ ...task, line, answer: resolve });
    this.pendingLength += line.length;
    if (!this.scheduled && this.flying.length === 0) {
      // Lines that one chunk of a log brings go together.
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.send();
      });
    }
    return promise;
  }

  private send(): void {
    if (this.closed || this.flying.length > 0 || this.waiting.length === 0) return;
    const disabled: GuardedVerdict = { kind: 'disabled' };
    // A filter may have been disabled while its lines waited.
    this.flying = this.waiting
      .slice(0, batchSize)
      .map((one) => (this.isDisabled(one.filter) && one.verdict === undefined ? { ...one, verdict: disabled } : one));
    this.waiting = this.waiting.slice(batchSize);
    this.firstFlying = this.sequence + 1;
    this.sequence += this.flying.length;
    const tasks: Batch = this.flying.flatMap(({ filter, line, timeMs, dated, verdict }, index) =>
      verdict === undefined ? [{ sequence: this.firstFlying + index, filter, line, timeMs, dated }] : [],
    );
    if (tasks.length === 0) return this.land([]);
    const worker = (this.worker ??= this.startWorker());
    worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(tasks);
    this.watchOver(worker);
  }

  private land(verdicts: BatchVerdicts): void {
    const landed = this.flying;
    this.flying = [];
    const left = verdicts.values();
    for (const { answer, verdict, line } of landed) {
      this.pendingLength -= line.length;
      answer(verdict ?? left.next().value ?? { kind: 'nothing' });
    }
    this.send();
  }

  private startWorker(): Worker {
    const data: WorkerData = { filters: [...this.filters.values()], progress: this.inWork.buffer };
    Atomics.store(this.inWork, 0, 0);
    const worker = new Worker(new URL(workerFile, import.meta.url), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: workerMegabytes },
    });
    worker.on('message', (verdicts: BatchVerdicts) => {
      if (worker !== this.worker) return;
      clearTimeout(this.watch);
      worker.unref();
      this.land(verdicts);
    });
    // Out of memory, most likely: the line that it was at is to blame.
    worker.on('error', () => {
      if (worker === this.worker) void this.stopOver(Atomics.load(this.inWork, 0));
    });
    return worker;
  }

  /** Looks at the worker every few ms, and stops it if one line has cost too much. */
  private watchOver(worker: Worker): void {
    let since: { readonly sequence: number; readonly cpuMs: number } | undefined;
    const look = async (): Promise<void> => {
      const sequence = Atomics.load(this.inWork, 0);
      const cpuMs = await cpuTime(worker);
      if (worker !== this.worker || this.flying.length === 0) return;
      if (cpuMs !== undefined && sequence !== 0) {
        if (since?.sequence !== sequence) since = { sequence, cpuMs };
        else if (cpuMs - since.cpuMs >= this.deadlineMs && Atomics.load(this.inWork, 0) === sequence) return this.stopOver(sequence);
      }
      this.watch = setTimeout(() => void look(), watchMs);
    };
    clearTimeout(this.watch);
    this.watch = setTimeout(() => void look(), watchMs);
  }

  private async stopOver(sequence: number): Promise<void> {
    const lines = this.flying;
    // A thread that dies outside of any line is taken to have died of the first one, so that it goes on in any case.
    const place = sequence === 0 ? lines.findIndex(({ verdict }) => verdict === undefined) : sequence - this.firstFlying;
    // Until the thread is gone they count as on their way: lines that come meanwhile must not overtake them.
    await this.endWorker();
    if (this.closed) return;
    this.flying = [];
    const culprit = lines[place];
    if (culprit !== undefined) {
      const { filter, line } = culprit;
      const strikes = (this.strikes.get(filter) ?? 0) + 1;
      this.strikes.set(filter, strikes);
      this.onStrike?.({ filter, line, strikes, disabled: strikes >= this.maxStrikes });
    }
    // What stood before it in the batch was matched, but its verdicts died with the thread: they are found again, and answered in turn.
    const stalled: GuardedVerdict = { kind: 'stalled' };
    this.waiting = [...lines.map((one, index) => (index === place ? { ...one, verdict: stalled } : one)), ...this.waiting];
    this.send();
  }

  private async endWorker(): Promise<void> {
    clearTimeout(this.watch);
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }
}

/** CPU time of the thread so far, in ms; undefined if it has ended. */
async function cpuTime(worker: Worker): Promise<number | undefined> {
  try {
    const { user, system } = await worker.cpuUsage();
    return (user + system) / 1_000;
  } catch {
    return undefined;
  }
}
