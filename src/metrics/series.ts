import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The only file that knows prom-client. */

/** A number that only grows. */
export interface Counter {
  readonly value: number;
  readonly inc: (by?: number) => void;
  /** For what is counted elsewhere: the total there now. Less than before means that it began anew; what was counted before stays in. */
  readonly follow: (total: number) => void;
}

/** A number that goes up and down. */
export interface Gauge {
  readonly value: number;
  readonly inc: (by?: number) => void;
  readonly set: (value: number) => void;
}

/** How values are spread; bounds are fixed when it is made. */
export interface Histogram {
  /** Negative values count as 0: a clock was set back between start and end. */
  readonly observe: (value: number) => void;
}

export type Labels = Readonly<Record<string, string>>;

/**
 * One labelled number, counted in place. prom-client builds and hashes a string for each `inc`, which is dear once for each line of a log;
 * so what counts holds its cell, and prom-client reads the cells when somebody asks for /metrics.
 */
class Cell implements Counter, Gauge {
  readonly labels: Labels;
  value = 0;
  #followed = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  inc(by = 1): void {
    this.value += by;
  }

  set(value: number): void {
    this.value = value;
  }

  follow(total: number): void {
    this.value += total < this.#followed ? total : total - this.#followed;
    this.#followed = total;
  }
}

class CellCounter extends PromCounter {
  readonly cells = new Set<Cell>();

  override async get(): ReturnType<PromCounter['get']> {
    return { ...(await super.get()), values: [...this.cells] };
  }
}

class CellGauge extends PromGauge {
  readonly cells = new Set<Cell>();

  override async get(): ReturnType<PromGauge['get']> {
    return { ...(await super.get()), values: [...this.cells] };
  }
}

/** All series of one name. Which labels it has is said by its cells. */
export interface CounterFamily {
  readonly kind: 'counter';
  readonly cells: Set<Cell>;
}
export interface GaugeFamily {
  readonly kind: 'gauge';
  readonly cells: Set<Cell>;
}

/** The series that appear and disappear together: those of one jail, one source, one filter, one set. */
export class Group {
  readonly #cells: { readonly family: CounterFamily | GaugeFamily; readonly cell: Cell }[] = [];
  readonly #parts = new Set<Group>();
  /** A group that can go before this one does (`removePart`), and goes with it at the latest. */
  part(): Group {
    const part = new Group();
    this.#parts.add(part);
    return part;
  }

  removePart(part: Group): void {
    part.remove();
    this.#parts.delete(part);
  }

  /** Shown as 0 from now on. */
  counter(family: CounterFamily, labels: Labels): Counter {
    return this.#add(family, labels);
  }

  gauge(family: GaugeFamily, labels: Labels, value = 0): Gauge {
    const cell = this.#add(family, labels);
    cell.value = value;
    return cell;
  }

  /** One counter for each member of a closed set. */
  counters<K extends string>(family: CounterFamily, label: string, members: Readonly<Record<K, true>>, labels: Labels): Record<K, Counter> {
    return mapKeys(members, (member) => this.counter(family, { ...labels, [label]: member }));
  }

  gauges<K extends string>(family: GaugeFamily, label: string, members: Readonly<Record<K, true>>, labels: Labels): Record<K, Gauge> {
    return mapKeys(members, (member) => this.gauge(family, { ...labels, [label]: member }));
  }

  /** No longer shown. Who still holds the cells may count on; nobody sees it. */
  remove(): void {
    for (const { family, cell } of this.#cells.splice(0)) family.cells.delete(cell);
    for (const part of this.#parts) part.remove();
    this.#parts.clear();
  }

  #add(family: CounterFamily | GaugeFamily, labels: Labels): Cell {
    const cell = new Cell(labels);
    family.cells.add(cell);
    this.#cells.push({ family, cell });
    return cell;
  }
}

/** Every family of one process, and the text form of them. */
export class Series {
  readonly #registry = new Registry();
  readonly #permanent = new Group();

  counterFamily(name: string, help: string): CounterFamily {
    return { kind: 'counter', cells: new CellCounter({ name, help, registers: [this.#registry] }).cells };
  }

  gaugeFamily(name: string, help: string): GaugeFamily {
    return { kind: 'gauge', cells: new CellGauge({ name, help, registers: [this.#registry] }).cells };
  }

  /** One number without labels. */
  counter(name: string, help: string): Counter {
    return this.#permanent.counter(this.counterFamily(name, help), {});
  }

  gauge(name: string, help: string): Gauge {
    return this.#permanent.gauge(this.gaugeFamily(name, help), {});
  }

  /** @param bounds upper bounds of the buckets, rising, in the unit of the name */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new PromHistogram({ name, help, buckets: [...bounds], registers: [this.#registry] });
    return { observe: (value) => histogram.observe(Math.max(0, value)) };
  }

  /** A histogram for each member of a closed set, all of them shown from the start. */
  histograms<K extends string>(
    name: string,
    help: string,
    bounds: readonly number[],
    label: string,
    members: Readonly<Record<K, true>>,
  ): Record<K, Histogram> {
    const histogram = new PromHistogram({ name, help, buckets: [...bounds], labelNames: [label], registers: [this.#registry] });
    return mapKeys(members, (member) => {
      histogram.zero({ [label]: member });
      const labelled = histogram.labels(member);
      return { observe: (value) => labelled.observe(Math.max(0, value)) };
    });
  }

  /** CPU, memory, descriptors, event loop and garbage collection of this process, under the names that other Node programs use. */
  processSeries(): void {
    // The event loop's delay is sampled by a timer: every 20 ms costs an idle process 0.4 % of a core, the default of 10 ms 0.6 %.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 20 });
    // Gauges that are called _total: promtool refuses the whole page for them. Their sums can be had from the series without _total.
    for (const name of ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'])
      this.#registry.removeSingleMetric(name);
  }

  names(): readonly string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  /** Prometheus text format 0.0.4. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}

function mapKeys<K extends string, V>(members: Readonly<Record<K, true>>, make: (member: K) => V): Record<K, V> {
  return Object.fromEntries(Object.keys(members).map((member) => [member, make(member as K)])) as Record<K, V>;
}
