import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLog } from '../../src/daemon/log.ts';

function logWith(journal: boolean, linesPerSecond = 100) {
  const lines: string[] = [];
  const clock = { ms: Date.UTC(2026, 10, 22, 17, 4, 5) };
  return { lines, clock, log: createLog({ nowMs: () => clock.ms, linesPerSecond, journal, write: (line) => lines.push(line) }) };
}

describe('the log', () => {
  test('under systemd has the priority and no time', () => {
    const { lines, log } = logWith(true);
    log('warning', 'nft failed');
    log('notice', '[sshd] Ban 192.0.2.4');
    assert.deepEqual(lines, ['<4>WARNING nft failed\n', '<5>NOTICE  [sshd] Ban 192.0.2.4\n']);
  });

  test('elsewhere has the local time, as fail2ban writes it', () => {
    const { lines, log } = logWith(false);
    log('error', 'nft failed');
    assert.match(lines[0] ?? '', /^2026-11-2\d \d\d:\d\d:05,000 ERROR   nft failed\n$/);
  });

  test('escapes what could begin a line of its own or speak to a terminal', () => {
    const { lines, log } = logWith(true);
    log('info', 'helo=<a\n<0>forged\u001b[2J\u2028>');
    assert.deepEqual(lines, ['<6>INFO    helo=<a\\x0a<0>forged\\x1b[2J\\u2028>\n']);
  });

  test('leaves out what comes in floods beyond its bound and says how much, nothing else', () => {
    const { lines, log, clock } = logWith(true, 2);
    for (let count = 0; count < 5; count++) log('info', () => `found ${count}`);
    log('warning', 'still said');
    log('notice', 'the disk can be written again');
    clock.ms += 1_000;
    log('info', 'later');
    assert.deepEqual(lines, [
      '<6>INFO    found 0\n',
      '<6>INFO    found 1\n',
      '<4>WARNING still said\n',
      '<5>NOTICE  the disk can be written again\n',
      '<6>INFO    3 lines of this log were left out in one second\n',
      '<6>INFO    later\n',
    ]);
  });

  test('bounds bans by themselves: information does not crowd them out, and a flood of them not the warnings', () => {
    const { lines, log, clock } = logWith(true, 2);
    for (let count = 0; count < 3; count++) log('info', () => `found ${count}`);
    for (let count = 0; count < 1_000; count++) log('notice', () => `Ban ${count}`);
    clock.ms += 1_000;
    log('notice', 'Ban later');
    assert.deepEqual(lines, [
      '<6>INFO    found 0\n',
      '<6>INFO    found 1\n',
      '<5>NOTICE  Ban 0\n',
      '<5>NOTICE  Ban 1\n',
      '<6>INFO    999 lines of this log were left out in one second\n',
      '<5>NOTICE  Ban later\n',
    ]);
  });
});
