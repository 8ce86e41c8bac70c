import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, truncateSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { openFiles } from '../../src/receive/file-tail.ts';
import type { FilePosition } from '../../src/receive/open-file.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import type { Source } from '../../src/model/source.ts';
import { type RecordedSink, recordedSink } from '../support/recorded-sink.ts';

/** What happens to a log and to who reads it. */
type Step =
  /** Whole lines, and then the first `half` characters of one more, which the next write finishes. */
  | { readonly kind: 'write'; readonly lines: number; readonly half: number }
  | { readonly kind: 'rename' | 'copytruncate' | 'recreate' | 'restart' | 'pause' | 'resume' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), lines: fc.nat(300), half: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('rename' as const, 'copytruncate' as const, 'recreate' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'pause' as const, 'resume' as const) }) },
);

/** A log with its writer and its reader; `expected` is what the reader must have handed over in the end. */
class Scene {
  readonly #home = mkdtempSync(join(tmpdir(), 'slu-rotation-'));
  readonly #log = join(this.#home, 'mail.log');
  readonly expected: string[] = [];
  readonly found: string[] = [];
  readonly #positions = new Map<string, FilePosition>();
  #sink: RecordedSink = this.#newSink();
  #source: Source | undefined;
  #half = '';
  /** How many lines must have come before the next rotation may be: a file that nobody saw cannot be read. */
  #known = 0;

  async run(steps: readonly Step[]): Promise<void> {
    try {
      await this.#open();
      await this.#write(1, 0);
      for (const one of steps) await this.#take(one);
      await this.#write(1, 0);
      await this.#delivered(this.expected.length);
    } finally {
      await this.#source?.stop();
      rmSync(this.#home, { recursive: true });
    }
  }

  async #take(one: Step): Promise<void> {
    switch (one.kind) {
      case 'write':
        return this.#write(one.lines, one.half);
      case 'pause':
        return this.#source?.pause();
      case 'resume':
        return this.#source?.resume();
      case 'restart':
        await this.#source?.stop();
        return this.#open();
      case 'rename':
        await this.#delivered(this.#known);
        this.#shift();
        renameSync(this.#log, `${this.#log}.1`);
        this.#giveUpHalf();
        return this.#write(1, 0);
      case 'copytruncate':
        await this.#delivered(this.#known);
        this.#shift();
        copyFileSync(this.#log, `${this.#log}.1`);
        truncateSync(this.#log);
        this.#half = ''; // its end would stand in the other file: it is lost, and counted
        return this.#write(1, 0);
      case 'recreate':
        await this.#delivered(this.#known);
        unlinkSync(this.#log);
        this.#giveUpHalf();
        await this.#write(1, 0);
        return this.#delivered(this.expected.length); // a restart would not find the deleted file
    }
  }

  async #write(lines: number, half: number): Promise<void> {
    const fresh = !existsSync(this.#log) || this.#known === -1;
    const texts = Array.from({ length: lines }, (_, index) => `line ${this.expected.length + index} of the log`);
    const first = texts[0];
    if (first !== undefined && this.#half !== '') texts[0] = `${this.#half} finished`;
    const rest = `half ${this.expected.length + lines} of a line`.slice(0, half);
    const text = texts.map((one) => `${one}\n`).join('');
    appendFileSync(this.#log, (first === undefined ? '' : text.slice(this.#half.length)) + (lines > 0 || this.#half === '' ? rest : ''));
    this.expected.push(...texts);
    if (lines > 0 || this.#half === '') this.#half = rest;
    if (fresh) this.#known = this.expected.length;
    await Promise.resolve();
  }

  /** Nobody finishes the line that was begun: it is handed over as it is. */
  #giveUpHalf(): void {
    if (this.#half !== '') this.expected.push(this.#half);
    this.#half = '';
    this.#known = -1;
  }

  /** logrotate's order: mail.log.1 becomes mail.log.2 first. */
  #shift(): void {
    this.#known = -1;
    for (let number = 8; number >= 1; number--) {
      if (existsSync(`${this.#log}.${number}`)) renameSync(`${this.#log}.${number}`, `${this.#log}.${number + 1}`);
    }
  }

  async #delivered(count: number): Promise<void> {
    this.#source?.resume();
    await this.#sink.until(() => this.found.length >= count);
  }

  async #open(): Promise<void> {
    this.#sink = this.#newSink();
    this.#source = await openFiles(
      { kind: 'file', name: 'mail', path: this.#log, timezone: 'UTC', program: 'app', silenceMs: 0 },
      this.#sink,
      { nowMs: Date.now, parse: parseFileLine, positions: [...this.#positions.values()], startAt: { kind: 'start' }, pollMs: 3_600_000 },
    );
  }

  #newSink(): RecordedSink {
    return recordedSink(({ text, origin }) => {
      this.found.push(text);
      if (origin.kind === 'file') this.#positions.set(origin.path, origin);
    });
  }
}

test('whatever happens to a log, every line comes once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const scene = new Scene();
      await scene.run(steps);
      assert.deepEqual(scene.found, scene.expected);
    }),
    { numRuns: 150 },
  );
});
