import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withAskedMemories } from '../src/asked-memories.ts';
import { createMatcher } from '../src/match/matcher.ts';
import type { Jail } from '../src/model/decision.ts';
import type { Filter, Pattern } from '../src/model/filter.ts';
import { parseLine, recordOf } from '../src/offline/recognise.ts';

function pattern(name: string, text: string, address: Pattern['address'] = { kind: 'own' }): Pattern {
  const match: Pattern['match'] = (line) =>
    line.includes(text) ? { address: address.kind === 'own' ? '192.0.2.1' : undefined, captures: new Map([['qid', '4XYZ']]) } : undefined;
  return { name, literals: [text], follows: false, address, match };
}

const postfix: Filter = {
  name: 'postfix',
  about: '',
  programs: ['postfix/smtpd', 'postfix/cleanup'],
  journal: [],
  ports: { kind: 'all' },
  patterns: [
    pattern('relay-denied', 'Relay access denied'),
    pattern('content-reject', 'reject: header', { kind: 'remembered', name: 'client' }),
  ],
  except: [],
  remember: [{ name: 'client', key: 'qid', pattern: pattern('client', 'client=') }],
};

function jail(...filters: readonly string[]): Jail {
  return {
    name: 'mail',
    filters,
    maxretry: 5,
    findtimeMs: 600_000,
    bantime: { firstMs: 3_600_000, factor: 1, maxMs: 3_600_000, forgetMs: 0 },
    prefix: { ipv4: 32, ipv6: 64 },
    ports: { kind: 'all' },
    observe: false,
  };
}

describe('memories that no jail asks for', () => {
  test('stay where a jail names the whole filter, or the pattern that asks', () => {
    assert.equal(withAskedMemories(postfix, [jail('postfix')]), postfix);
    assert.equal(withAskedMemories(postfix, [jail('postfix/relay-denied'), jail('postfix/content-reject')]), postfix);
  });

  test('go where nobody is banned by them, and other patterns stay', () => {
    const kept = withAskedMemories(postfix, [jail('postfix/relay-denied'), jail('sshd')]);
    assert.deepEqual(kept.remember, []);
    assert.deepEqual(kept.patterns, postfix.patterns);
  });

  test('leave the pattern that would ask recognised, without an address', () => {
    const matcher = createMatcher([withAskedMemories(postfix, [jail('postfix/relay-denied')])]);
    const match = (text: string) => {
      const message = parseLine(`Nov 22 17:30:37 mx postfix/cleanup[1]: ${text}`, { nowMs: 0, timezone: 'UTC' });
      assert.ok(message);
      return matcher.match(recordOf(message, 'mail.log', 0));
    };
    match('4XYZ: client=unknown[192.0.2.1]');
    const { detections, none } = match('4XYZ: reject: header Subject: x');
    assert.deepEqual(detections, []);
    assert.deepEqual(none, [{ kind: 'no_address', filter: 'postfix', pattern: 'content-reject' }]);
  });
});
