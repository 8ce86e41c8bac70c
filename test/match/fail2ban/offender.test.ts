import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { offenderOf } from '../../../src/match/fail2ban/offender.ts';

describe('the offender that the groups of a match name', () => {
  const of = (groups: Readonly<Record<string, string>>): unknown => {
    const found = offenderOf(new Map(Object.entries(groups)));
    return found && [found.id, found.isName ? 'name' : found.address === undefined ? 'text' : 'address'];
  };
  const cases: readonly (readonly [groups: Readonly<Record<string, string>>, expected: readonly [string, string] | undefined])[] = [
    [{ ip4: '192.0.2.1', dns: 'mx.example' }, ['192.0.2.1', 'address']],
    [{ ip4: '999.0.2.1' }, ['999.0.2.1', 'text']],
    [{ dns: 'mx.example' }, ['mx.example', 'name']],
    [{ dns: '192.0.2.1' }, ['192.0.2.1', 'address']],
    [{ dns: '::FFFF:192.0.2.1' }, ['192.0.2.1', 'address']],
    [{ fid: '[2001:DB8::1]' }, ['2001:db8::1', 'address']],
    [{ fid: '[session 5]' }, ['session 5', 'text']],
    [{ fid: 'session 5', ip4: '192.0.2.1' }, ['session 5', 'text']],
    [{ user: 'guest' }, undefined],
  ];
  for (const [groups, expected] of cases)
    test(`${JSON.stringify(groups)}: ${expected === undefined ? 'nobody' : expected.join(', a ')}`, () => {
      assert.deepEqual(of(groups), expected);
    });
});
