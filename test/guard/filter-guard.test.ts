import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { FilterGuard } from '../../src/guard/filter-guard.ts';
import type { GuardOptions } from '../../src/guard/filter-guard.ts';
import type { FilterTexts } from '../../src/model/foreign-filter.ts';

const nowMs = Date.UTC(2026, 5, 1);

function texts(failregex: string): FilterTexts {
  return {
    failregex: [failregex],
    ignoreregex: [],
    prefregex: undefined,
    datepattern: [],
    maxlines: 1,
    usedns: 'no',
    logtimezone: undefined,
  };
}

const guards: FilterGuard[] = [];
afterEach(async () => {
  await Promise.all(guards.splice(0).map((guard) => guard.close()));
});

function guardOf(filters: Readonly<Record<string, string>>, options: GuardOptions = {}): FilterGuard {
  const specs = Object.entries(filters).map(([name, failregex]) => ({ name, texts: texts(failregex), timezone: 'UTC', compiledMs: nowMs }));
  const guard = new FilterGuard(specs, options);
  guards.push(guard);
  return guard;
}

const good = 'failed from <HOST>$';
/** Doubles its time with every "a". */
const bomb = 'from <HOST> (?:a|aa|a+)+$';
const spark = `from 192.0.2.9 ${'a'.repeat(60)}!`;

describe('the guard of foreign filters', () => {
  test('answers lines in the order in which they came', async () => {
    const guard = guardOf({ good });
    const lines = Array.from({ length: 1_000 }, (_, index) => `failed from 192.0.2.${index % 250}`);
    const order: number[] = [];
    const verdicts = await Promise.all(
      lines.map(async (line, index) => {
        const verdict = await guard.feedDated('good', line, nowMs);
        order.push(index);
        return verdict.kind === 'failure' ? verdict.id : verdict.kind;
      }),
    );
    assert.deepEqual(
      verdicts,
      lines.map((line) => line.slice('failed from '.length)),
    );
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  });

  test('stops a filter over a line that would take ages, and goes on behind it', async () => {
    const struck: unknown[] = [];
    const guard = guardOf({ good, bomb }, { onStrike: ({ filter, strikes, disabled }) => struck.push({ filter, strikes, disabled }) });
    const answers: string[] = [];
    const ask = async (filter: string, line: string): Promise<void> => {
      const verdict = await guard.feedDated(filter, line, nowMs);
      answers.push(verdict.kind === 'failure' ? verdict.id : verdict.kind);
    };
    await Promise.all([
      ask('good', 'failed from 192.0.2.1'),
      ask('bomb', spark),
      ask('bomb', 'from 192.0.2.3 aaa'),
      ask('good', 'failed from 192.0.2.4'),
    ]);
    assert.deepEqual(answers, ['192.0.2.1', 'stalled', '192.0.2.3', '192.0.2.4']);
    assert.deepEqual(struck, [{ filter: 'bomb', strikes: 1, disabled: false }]);
  });

  test('lets no line that comes while a thread is being ended overtake those that it had', async () => {
    const answers: number[] = [];
    const asked: Promise<unknown>[] = [];
    const stopped = new AbortController();
    const guard = guardOf({ good, bomb }, { onStrike: () => stopped.abort() });
    const ask = (filter: string, line: string): void => {
      const number = asked.length;
      asked.push(guard.feedDated(filter, line, nowMs).then(() => answers.push(number)));
    };
    ask('bomb', spark);
    // Some come in every turn of the loop, those in which the thread ends as well.
    while (!stopped.signal.aborted) {
      ask('good', 'failed from 192.0.2.4');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asked);
    assert.deepEqual(
      answers,
      asked.map((_, number) => number),
    );
  });

  test('disables a filter that had to be stopped three times, and no other', async () => {
    const struck: boolean[] = [];
    const guard = guardOf({ good, bomb }, { onStrike: ({ disabled }) => struck.push(disabled) });
    const sparks = await Promise.all([1, 2, 3, 4].map(() => guard.feedDated('bomb', spark, nowMs)));
    assert.deepEqual(
      sparks.map(({ kind }) => kind),
      ['stalled', 'stalled', 'stalled', 'disabled'],
    );
    assert.deepEqual(struck, [false, false, true]);
    assert.equal(guard.isDisabled('bomb'), true);
    assert.equal((await guard.feedDated('good', 'failed from 192.0.2.4', nowMs)).kind, 'failure');
  });

  test('leaves the event loop alone meanwhile', async () => {
    const guard = guardOf({ bomb });
    let turns = 0;
    let waiting = true;
    const turn = (): void => {
      turns++;
      if (waiting) setImmediate(turn);
    };
    turn();
    assert.equal((await guard.feedDated('bomb', spark, nowMs)).kind, 'stalled');
    waiting = false;
    assert.ok(turns > 20, `${turns} turns of the loop`);
  });

  test('looks at no more lines than may wait', async () => {
    const guard = guardOf({ good }, { maxWaiting: 2 });
    const verdicts = await Promise.all([1, 2, 3].map((last) => guard.feedDated('good', `failed from 192.0.2.${last}`, nowMs)));
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['failure', 'failure', 'overflow'],
    );
  });

  test('answers what is left when it is closed', async () => {
    const guard = guardOf({ bomb });
    const left = guard.feedDated('bomb', spark, nowMs);
    await guard.close();
    assert.deepEqual(await left, { kind: 'disabled' });
    assert.deepEqual(await guard.feedDated('bomb', spark, nowMs), { kind: 'disabled' });
  });
});
