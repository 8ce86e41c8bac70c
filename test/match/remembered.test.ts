import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Remembered } from '../../src/match/remembered.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { LogRecord } from '../../src/model/record.ts';
import { bareMessage, recordOf } from '../../src/offline/recognise.ts';

const record: LogRecord = recordOf(bareMessage('', ''), 's', 0);

test('holds the entries that were set last, whatever was set before, and no more than it may', () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), octet: fc.nat(255), trust: fc.constantFrom('full', 'low') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, maxEntries) => {
      const remembered = new Remembered(maxEntries, 1_000);
      const expected = { full: [] as (readonly [string, string])[], low: [] as (readonly [string, string])[] };
      let evicted = 0;
      for (const { key, octet, trust } of steps) {
        const address = parseAddress(`192.0.2.${octet}`);
        assert.ok(address !== undefined);
        remembered.keep({ ...record, trust }, key, address);
        const others = expected[trust].filter(([each]) => each !== key);
        const all = [...others, [key, address] as const];
        evicted += Math.max(0, all.length - maxEntries);
        expected[trust] = all.slice(-maxEntries);
      }
      for (const trust of ['full', 'low'] as const) {
        for (const key of 'abcdef') assert.equal(remembered.recall({ ...record, trust }, key), new Map(expected[trust]).get(key));
      }
      assert.equal(remembered.evicted, evicted);
    }),
  );
});
