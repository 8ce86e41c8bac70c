import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { KeyTable } from '../../src/decide/key-table.ts';
import { laneOf, lengthOf, newKey, type SubjectKey } from '../../src/decide/subject-key.ts';

function keyOf(lane: number, host: number): SubjectKey {
  const key = newKey();
  key.set([0x20010db8, host, 0, 0, (lane << 8) | 64]);
  return key;
}

describe('a key table', () => {
  test('is a map from (lane, subject) to rows, through any order of additions and removals', () => {
    const step = fc.record({ lane: fc.nat(2), host: fc.nat(40), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new KeyTable([1, 2]);
        const rows = new Map<string, number>();
        for (const { lane, host, remove } of steps) {
          const name = `${lane}/${host}`;
          const row = rows.get(name);
          assert.equal(table.find(keyOf(lane, host)), row ?? -1);
          if (row === undefined) rows.set(name, table.add(keyOf(lane, host)));
          else if (remove) {
            table.remove(row);
            rows.delete(name);
          }
        }
        assert.equal(table.size, rows.size);
        assert.equal(new Set(rows.values()).size, rows.size, 'no two subjects share a row');
        for (const [name, row] of rows) {
          const [lane = 0, host = 0] = name.split('/').map(Number);
          assert.deepEqual(table.readKey(row, newKey()), keyOf(lane, host));
        }
        for (const lane of [0, 1, 2])
          assert.equal(table.sizeOf(lane), [...rows.keys()].filter((name) => name.startsWith(`${lane}/`)).length);
      }),
    );
  });

  test('finds each of 100,000 subjects, and after half of them went the other half and none of those that went', () => {
    const table = new KeyTable([3, 4]);
    const rows = Array.from({ length: 100_000 }, (_, host) => table.add(keyOf(host % 3, host)));
    for (const [host, row] of rows.entries()) if (host % 2 === 0) table.remove(row);
    assert.equal(table.size, 50_000);
    for (const [host, row] of rows.entries()) assert.equal(table.find(keyOf(host % 3, host)), host % 2 === 0 ? -1 : row);
    for (let host = 0; host < 50_000; host++) table.add(keyOf(7, host));
    assert.equal(table.end, 100_000, 'rows that were given back are used first');
  });

  test('says which prefix lengths occur', () => {
    const table = new KeyTable([3, 4]);
    const row = table.add(keyOf(0, 1));
    assert.ok(table.hasLength(64));
    table.remove(row);
    assert.ok(!table.hasLength(64));
    assert.ok(!table.has(row));
  });

  test('keeps lane and length of a key apart', () => {
    assert.deepEqual([laneOf(keyOf(300, 1)), lengthOf(keyOf(300, 1))], [300, 64]);
  });
});
