import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createEventFeed } from '../../src/control/event-feed.ts';
import type { DaemonEvent } from '../../src/control/event.ts';
import { prefix } from './sample-daemon.ts';

const time = '2026-11-22T19:38:06.000Z';
const note = (message: string): DaemonEvent => ({ kind: 'notice', time, level: 'info', message });
const ignored = (detail: string): DaemonEvent => ({
  kind: 'ignored',
  time,
  jail: 'ssh',
  subject: prefix('192.0.2.1'),
  because: 'banned',
  detail,
});

describe('the feed of events', () => {
  test('keeps the last ones in order', () => {
    const feed = createEventFeed(3);
    for (const message of ['a', 'b', 'c', 'd']) feed.publish(note(message));
    assert.deepEqual(feed.recent(10), [note('b'), note('c'), note('d')]);
    assert.deepEqual(feed.recent(1), [note('d')]);
    assert.deepEqual(feed.recent(0), []);
  });

  test('a flood of failures does not push out what it led to', () => {
    const feed = createEventFeed(3);
    feed.publish(note('nft fails'));
    for (let count = 0; count < 10; count++) feed.publish(ignored(String(count)));
    feed.publish(note('healed'));
    assert.deepEqual(feed.recent(10), [note('nft fails'), ignored('7'), ignored('8'), ignored('9'), note('healed')]);
  });

  test('a listener hears what comes, until it ends', () => {
    const feed = createEventFeed(3);
    const heard: DaemonEvent[] = [];
    feed.publish(note('before'));
    const end = feed.subscribe((event) => heard.push(event));
    const endOther = feed.subscribe((event) => heard.push(event));
    feed.publish(note('one'));
    end();
    feed.publish(note('two'));
    endOther();
    feed.publish(note('three'));
    assert.deepEqual(heard, [note('one'), note('one'), note('two')]);
  });
});
