import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createMatcher, defaultMatchLimits } from '../../src/match/matcher.ts';
import { programMatches } from '../../src/match/program.ts';
import type { Recognised } from '../../src/model/detection.ts';
import type { Filter } from '../../src/model/filter.ts';
import type { LogRecord } from '../../src/model/record.ts';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { parseRuleFile } from '../../src/rules/native/rule-file.ts';
import { record } from './recognise.ts';

const programs: readonly [spec: string, appName: string, matches: boolean, because: string][] = [
  ['postfix/smtpd', 'postfix/smtpd', true, 'itself'],
  ['postfix/smtpd', 'postfix/submission/smtpd', true, 'a service with a name of its own'],
  ['postfix/smtpd', 'postfix-out/smtpd', true, 'a second instance'],
  ['postfix/smtpd', 'mta/smtpd', true, 'any syslog_name'],
  ['postfix/smtpd', 'postfix', true, 'APP-NAME cut at the slash'],
  ['postfix/smtpd', 'postfix-out', true, 'of a second instance'],
  ['postfix/smtpd', 'smtpd', false, 'OpenSMTPD is another program'],
  ['postfix/smtpd', 'postfix/smtp', false, 'the client is another program'],
  ['postfix/smtpd', 'postfix/xsmtpd', false, 'the last part must be the same'],
  ['postfix/smtpd', 'postfixed', false, 'the bare tag must be the same'],
  ['sshd', 'sshd', true, 'without a slash: itself'],
  ['sshd', 'x/sshd', false, 'and nothing else'],
  ['sshd', 'sshd-session', false, 'and nothing else'],
];
for (const [spec, appName, matches, because] of programs) {
  test(`${spec} ${matches ? 'reads' : 'does not read'} ${appName}: ${because}`, () => assert.equal(programMatches(spec, appName), matches));
}

/** A rule file in a few words. */
function filterOf(source: string): Filter {
  const rule = parseRuleFile('test.yaml', source, '');
  assert.deepEqual(rule.diagnostics, []);
  assert.ok(rule.filter !== undefined);
  return rule.filter;
}

const mail = filterOf(`
filter: mail
programs: [postfix/smtpd, postfix/cleanup]
journal: [_SYSTEMD_UNIT=postfix.service, _SYSTEMD_SLICE=system-postfix.slice, _UID=0]
ports: [smtp]
patterns:
  content: { pattern: '{qid}: reject: body ', address: remember.client }
  refused: 'refused {client}: {why}'
  other: 'refused {client}{rest}'
  told: { pattern: 'told {addr}', follows: true }
except: ['refused {client}: friend']
remember: { client: '{qid}: client={client}' }
`);

function match(text: string, appName = 'postfix/smtpd'): Recognised {
  return createMatcher([mail]).match(record({ appName, text }));
}

function refusal(length: number): string {
  return `refused a[192.0.2.4]: ${'x'.repeat(length)}`;
}

describe('a matcher', () => {
  test('names the first pattern that fits, and one at most', () => {
    const { detections } = match('refused a.example[::FFFF:192.0.2.4]: spam');
    assert.deepEqual(detections, [
      {
        filter: 'mail',
        pattern: 'refused',
        address: '192.0.2.4',
        captures: new Map([
          ['client', 'a.example'],
          ['why', 'spam'],
        ]),
        follows: false,
      },
    ]);
  });
  test('says of a pattern that follows', () => assert.equal(match('told 192.0.2.4').detections[0]?.follows, true));
  test('tries exceptions first, and tells', () => {
    assert.deepEqual(match('refused a[192.0.2.4]: friend'), {
      detections: [],
      none: [{ kind: 'except', filter: 'mail', pattern: 'except-1' }],
    });
  });
  test('leaves other programs alone', () => assert.deepEqual(match('refused a[192.0.2.4]: x', 'postfix/smtp').detections, []));
  test('looks at the first 8 KiB of a message', () => {
    assert.equal(match(refusal(70_000)).detections[0]?.captures.get('why')?.length, 8_192 - 22);
    assert.deepEqual(match(`${'x'.repeat(8_192)}refused a[192.0.2.4]: x`).detections, []);
  });
  test('asks every filter of the program, once each', () => {
    const twice = createMatcher([mail, { ...mail, name: 'again' }]);
    const names = twice.match(record({ text: 'refused a[192.0.2.4]: x' })).detections.map(({ filter }) => filter);
    assert.deepEqual(names, ['mail', 'again']);
  });
  test('looks programs up anew when more names come than it keeps, and finds the same', () => {
    const matcher = createMatcher([mail], { ...defaultMatchLimits, programs: 2 });
    for (let n = 0; n < 10; n++) {
      assert.equal(matcher.match(record({ appName: `p${n}/smtpd`, text: 'told 192.0.2.4' })).detections.length, 1);
      assert.equal(matcher.match(record({ appName: `p${n}`, text: 'told 192.0.2.4' })).detections.length, 0);
    }
  });
});

const entries: readonly [fields: Readonly<Record<string, string>> | undefined, matched: boolean, because: string][] = [
  [{ _SYSTEMD_UNIT: 'postfix.service', _UID: '0' }, true, 'one unit'],
  [{ _SYSTEMD_UNIT: 'postfix@-.service', _SYSTEMD_SLICE: 'system-postfix.slice', _UID: '0' }, true, 'a slice: a process runs in one place'],
  [{ _SYSTEMD_UNIT: 'postfix.service', _UID: '1000' }, false, 'different fields must all fit'],
  [{ _SYSTEMD_UNIT: 'user@1000.service', _UID: '0' }, false, 'logger -t postfix/smtpd'],
  [{}, false, 'nothing is known of the sender'],
  [undefined, false, 'nothing is known of the sender'],
];
for (const [fields, matched, because] of entries) {
  test(`a journal entry with ${JSON.stringify(fields)} is ${matched ? '' : 'not '}matched: ${because}`, () => {
    const trusted = fields === undefined ? undefined : new Map(Object.entries(fields));
    const entry = record({ text: 'told 192.0.2.4' }, { origin: { kind: 'journal', cursor: 'c', realtimeMs: 0 }, trusted });
    assert.equal(createMatcher([mail]).match(entry).detections.length, matched ? 1 : 0);
  });
}
test('a filter without "journal:" matches no journal entry', () => {
  const entry = record(
    { text: 'told 192.0.2.4' },
    { origin: { kind: 'journal', cursor: 'c', realtimeMs: 0 }, trusted: new Map([['_UID', '0']]) },
  );
  assert.deepEqual(createMatcher([{ ...mail, journal: [] }]).match(entry).detections, []);
});

for (const { name, journal, programs } of loadRules([join(import.meta.dirname, '../../rules')]).filters) {
  test(`${name}: what a user's command writes from within the daemon's unit is not matched`, () => {
    const [place = ''] = journal.filter((match) => match.startsWith('_SYSTEMD_'));
    const [field = '', unit = ''] = place.split('=');
    const filter = { ...mail, name, journal, programs };
    const entryOf = (uid: string): LogRecord =>
      record(
        { appName: programs[0], text: 'told 192.0.2.4' },
        {
          origin: { kind: 'journal', cursor: 'c', realtimeMs: 0 },
          trusted: new Map([
            [field, unit],
            ['_UID', uid],
          ]),
        },
      );
    const counted = ['0', '103', '999', '1000', '65534', '-1', ''].filter(
      (uid) => createMatcher([filter]).match(entryOf(uid)).detections.length > 0,
    );
    assert.deepEqual(counted, ['0', '103', '999']);
  });
}

function opened(qid: string, address: string, way: Partial<LogRecord> = {}): LogRecord {
  return record({ text: `${qid}: client=a[${address}]`, hostname: 'mx' }, way);
}

function refused(qid: string, way: Partial<LogRecord> = {}, hostname = 'mx'): LogRecord {
  return record({ appName: 'postfix/cleanup', text: `${qid}: reject: body from b[203.0.113.66]: x`, hostname }, way);
}

describe('what is remembered', () => {
  test('joins lines with the same key and host', () => {
    const matcher = createMatcher([mail]);
    matcher.match(opened('A1', '192.0.2.4'));
    assert.equal(matcher.match(refused('A1')).detections[0]?.address, '192.0.2.4');
    assert.deepEqual(matcher.match(refused('A2')).none, [{ kind: 'no_address', filter: 'mail', pattern: 'content' }]);
    assert.deepEqual(matcher.match(refused('A1', {}, 'mx2')).detections, []);
  });
  test('is the last that was said', () => {
    const matcher = createMatcher([mail]);
    matcher.match(opened('A1', '192.0.2.4'));
    matcher.match(opened('A1', '192.0.2.5'));
    assert.equal(matcher.match(refused('A1')).detections[0]?.address, '192.0.2.5');
  });
  test('is not joined where there is no queue id', () => {
    const matcher = createMatcher([mail]);
    matcher.match(opened('NOQUEUE', '192.0.2.4'));
    assert.deepEqual(matcher.match(refused('NOQUEUE')).detections, []);
  });
  test('is forgotten after an hour: queue ids come again', () => {
    const matcher = createMatcher([mail]);
    matcher.match(opened('A1', '192.0.2.4', { receivedMs: 0 }));
    assert.equal(matcher.match(refused('A1', { receivedMs: 3_600_000 })).detections.length, 1);
    assert.equal(matcher.match(refused('A1', { receivedMs: 3_600_001 })).detections.length, 0);
  });
  test('is bounded: the oldest goes, and is counted', () => {
    const matcher = createMatcher([mail], { ...defaultMatchLimits, remembered: 2 });
    for (const qid of ['A1', 'A2', 'A1', 'A3']) matcher.match(opened(qid, '192.0.2.4'));
    assert.equal(matcher.evicted(), 1);
    assert.deepEqual(
      ['A1', 'A2', 'A3'].map((qid) => matcher.match(refused(qid)).detections.length),
      [1, 0, 1],
    );
  });
  test('by records that are not believed is for such records alone', () => {
    const matcher = createMatcher([mail], { ...defaultMatchLimits, remembered: 1 });
    matcher.match(opened('A1', '192.0.2.4'));
    matcher.match(opened('A1', '203.0.113.66', { trust: 'low' }));
    matcher.match(opened('A2', '203.0.113.66', { trust: 'low' }));
    assert.equal(matcher.match(refused('A1')).detections[0]?.address, '192.0.2.4');
    assert.equal(matcher.match(refused('A2')).detections.length, 0);
    assert.equal(matcher.match(refused('A2', { trust: 'low' })).detections[0]?.address, '203.0.113.66');
  });
});
