import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { at } from '../../src/control/instant.ts';

test('an instant is written as toISOString writes it, whatever was asked before', () => {
  const ms = fc.oneof(fc.integer({ min: -200, max: 200 }), fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true }));
  fc.assert(fc.property(fc.array(ms, { maxLength: 50 }), (asked) => asked.every((each) => at(each) === new Date(each).toISOString())));
});
test('an instant beyond what a date holds is the last one', () => {
  assert.equal(at(1e300), '+275760-09-13T00:00:00.000Z');
  assert.equal(at(-1e300), '-271821-04-20T00:00:00.000Z');
});
