/** A line on its way: what becomes of it is not known yet. */
export interface UnderWay {
  readonly source: string;
  readonly done: () => void;
  /** Jails whose expressions look at it. */
  readonly asks: number;
  /** What all of them see, in UTF-16 code units. */
  readonly length: number;
  isOver: boolean;
}

interface Bounds {
  readonly lines: number;
  readonly asks: number;
  readonly length: number;
}

/** Reading is held up beyond the first, until there is no more than the second. */
interface Marks {
  readonly high: Bounds;
  readonly low: Bounds;
}

/** Of one source. A jail that asks a slow command about whom it sees holds up the sources that it reads, and no others. */
const ofSource: Marks = { high: { lines: 8_192, asks: 16_384, length: 1 << 21 }, low: { lines: 1_024, asks: 2_048, length: 1 << 18 } };
/** Of all. The guard's own bounds are several times as high, for what was read already. */
const ofAll: Marks = { high: { lines: 16_384, asks: 16_384, length: 1 << 22 }, low: { lines: 1_024, asks: 2_048, length: 1 << 19 } };

/**
 * The lines of jails in fail2ban's dialect that are on their way, whichever configuration they were read for. A line is done, and its position may be stored,
 * when it and all before it of its source are decided on.
 */
export class LineOrder {
  readonly #changed: () => void;
  readonly #sources = new Map<string, Queue>();
  readonly #load = new Load(ofAll);

  /** @param changed what is held up has changed: see `holds` */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Lines that are not done, of all sources, and about how many may be. */
  waiting(): { readonly lines: number; readonly most: number } {
    return { lines: this.#load.lines, most: ofAll.high.lines };
  }

  /** Whether no more of the source should be read for now. */
  holds(source: string): boolean {
    return this.#load.full || this.#sources.get(source)?.load.full === true;
  }

  /** Whether lines of the source are not done. */
  waits(source: string): boolean {
    return this.#sources.has(source);
  }

  /**
   * @param asks how many jails look at it
   * @param length of the text that each of them sees
   */
  add(source: string, done: () => void, asks: number, length: number): UnderWay {
    const line = { source, done, asks, length: asks * length, isOver: asks === 0 };
    const queue = this.#sources.get(source) ?? new Queue();
    this.#sources.set(source, queue);
    queue.lines.push(line);
    const [all, own] = [this.#load.full, queue.load.full];
    queue.load.add(line);
    this.#load.add(line);
    if (all !== this.#load.full || own !== queue.load.full) this.#changed();
    return line;
  }

  /** It is decided on. */
  over(line: UnderWay): void {
    const queue = this.#sources.get(line.source);
    if (queue === undefined) return;
    line.isOver = true;
    const [all, own] = [this.#load.full, queue.load.full];
    for (let head = queue.head(); head?.isOver === true; head = queue.head()) {
      queue.shift();
      queue.load.remove(head);
      this.#load.remove(head);
      head.done();
    }
    if (queue.head() === undefined) this.#sources.delete(line.source);
    if (all !== this.#load.full || own !== queue.load.full) this.#changed();
    queue.tell();
  }

  /** Resolves when every line so far is done, whatever comes meanwhile. */
  async settled(): Promise<void> {
    await Promise.all([...this.#sources.values()].map(async (queue) => queue.settled()));
  }
}

/** The lines of one source. */
class Queue {
  readonly load = new Load(ofSource);
  readonly lines: UnderWay[] = [];
  readonly #waiters: { readonly behind: number; readonly tell: () => void }[] = [];
  #first = 0;
  #shifted = 0;

  head(): UnderWay | undefined {
    return this.lines[this.#first];
  }

  shift(): void {
    this.#first += 1;
    this.#shifted += 1;
    if (this.#first <= ofSource.low.lines && this.#first < this.lines.length) return;
    this.lines.splice(0, this.#first);
    this.#first = 0;
  }

  async settled(): Promise<void> {
    const behind = this.#shifted + this.lines.length - this.#first;
    if (behind > this.#shifted) await new Promise<void>((tell) => this.#waiters.push({ behind, tell }));
  }

  tell(): void {
    while ((this.#waiters[0]?.behind ?? Infinity) <= this.#shifted) this.#waiters.shift()?.tell();
  }
}

/** How much waits, and whether that is too much. */
class Load {
  readonly #marks: Marks;
  #lines = 0;
  #asks = 0;
  #length = 0;
  full = false;

  get lines(): number {
    return this.#lines;
  }

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  add({ asks, length }: UnderWay): void {
    this.#lines += 1;
    this.#asks += asks;
    this.#length += length;
    const { high } = this.#marks;
    this.full ||= this.#lines >= high.lines || this.#asks >= high.asks || this.#length >= high.length;
  }

  remove({ asks, length }: UnderWay): void {
    this.#lines -= 1;
    this.#asks -= asks;
    this.#length -= length;
    const { low } = this.#marks;
    this.full &&= this.#lines > low.lines || this.#asks > low.asks || this.#length > low.length;
  }
}
