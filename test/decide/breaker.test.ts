import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Breaker, type BreakerSettings } from '../../src/decide/breaker.ts';
import { type Address, parseAddress, prefixOf } from '../../src/model/address.ts';

const minuteMs = 60_000;
const startMs = Date.parse('2026-11-22T20:00:00Z');
const settings: BreakerSettings = { share: 0.2, least: 3, withinMs: 60 * minuteMs, rate: undefined };

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

/** @param minute when, after the start */
function ban(breaker: Breaker, text: string, minute = 0, length = 32) {
  const one = address(text);
  return breaker.refuses({ subject: prefixOf(one, length), address: one }, startMs + minute * minuteMs);
}

function loggedIn(breaker: Breaker, count: number, minute = 0): void {
  for (let host = 0; host < count; host++) breaker.succeeded(address(`192.0.2.${host}`), startMs + minute * minuteMs);
}

describe('bans of clients that logged in lately', () => {
  test('stop before they cover more than the share, and stay stopped for everybody', () => {
    const breaker = new Breaker(settings);
    loggedIn(breaker, 20);
    for (const host of [0, 1, 2, 3]) assert.equal(ban(breaker, `192.0.2.${host}`), undefined, `${host} of 20`);
    const trip = ban(breaker, '192.0.2.4');
    assert.deepEqual(trip, { sinceMs: startMs, because: 'clients', detail: '5 of 20 clients that had logged in lately would be banned' });
    assert.equal(ban(breaker, '203.0.113.1', 5), trip, 'a stranger');
    assert.equal(breaker.trip, trip);
  });

  test('go on once somebody resets it, and those made before count no longer', () => {
    const breaker = new Breaker(settings);
    loggedIn(breaker, 20);
    for (const host of [0, 1, 2, 3, 4]) ban(breaker, `192.0.2.${host}`);
    assert.notEqual(breaker.reset(), undefined);
    assert.equal(breaker.reset(), undefined, 'it had been reset');
    for (const host of [4, 5, 6, 7]) assert.equal(ban(breaker, `192.0.2.${host}`), undefined);
    assert.notEqual(ban(breaker, '192.0.2.8'), undefined);
  });

  test('of strangers never stop, however many', () => {
    const breaker = new Breaker(settings);
    loggedIn(breaker, 20);
    for (let host = 0; host < 10_000; host++) assert.equal(ban(breaker, `198.51.${host >> 8}.${host & 255}`), undefined);
  });

  test('fewer than the least never stop: of three clients one is a third', () => {
    const breaker = new Breaker(settings);
    loggedIn(breaker, 3);
    assert.equal(ban(breaker, '192.0.2.0'), undefined);
    assert.equal(ban(breaker, '192.0.2.1'), undefined);
    assert.notEqual(ban(breaker, '192.0.2.2'), undefined);
  });

  test('the same client banned again and again is one', () => {
    const breaker = new Breaker(settings);
    loggedIn(breaker, 5);
    for (let time = 0; time < 10; time++) assert.equal(ban(breaker, '192.0.2.0', time), undefined);
  });

  test('who logged in longer ago than lately is a stranger, and so are bans of then', () => {
    const breaker = new Breaker({ ...settings, share: 0.5 });
    loggedIn(breaker, 4, 0);
    assert.equal(ban(breaker, '192.0.2.0', 61), undefined);
    loggedIn(breaker, 4, 62);
    for (const host of [0, 1]) assert.equal(ban(breaker, `192.0.2.${host}`, 63), undefined);
    loggedIn(breaker, 4, 123);
    for (const host of [2, 3]) assert.equal(ban(breaker, `192.0.2.${host}`, 124), undefined, 'the other two are an hour old');
  });

  test('a client stands for its /64, whichever address of it is banned', () => {
    const breaker = new Breaker({ ...settings, least: 1, share: 0.01 });
    breaker.succeeded(address('2001:db8::1'), startMs);
    assert.equal(ban(breaker, '2001:db8:0:1::1', 0, 64), undefined);
    assert.notEqual(ban(breaker, '2001:db8::2', 0, 128), undefined);
  });

  test('with a share of 1 nothing stops them', () => {
    const breaker = new Breaker({ ...settings, share: 1 });
    loggedIn(breaker, 50);
    for (let host = 0; host < 50; host++) assert.equal(ban(breaker, `192.0.2.${host}`), undefined);
  });

  test('remember no more than 65,536 clients', () => {
    const breaker = new Breaker(settings);
    for (let host = 0; host < 70_000; host++) breaker.succeeded(address(`10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`), startMs);
    assert.equal(breaker.clients(startMs), 65_536);
  });
});

describe('with a rate of 3 bans a minute', () => {
  const rated: BreakerSettings = { ...settings, rate: { bans: 3, withinMs: minuteMs } };

  test('the fourth within a minute is not made, whoever it is', () => {
    const breaker = new Breaker(rated);
    for (const host of [0, 1, 2]) assert.equal(ban(breaker, `192.0.2.${host}`, host * 0.25), undefined);
    const trip = ban(breaker, '192.0.2.3', 0.75);
    assert.deepEqual(trip, { sinceMs: startMs + 45_000, because: 'rate', detail: '3 bans in 45 s, and more to come' });
  });

  test('three in each minute are made for ever', () => {
    const breaker = new Breaker(rated);
    for (let host = 0; host < 100; host++) assert.equal(ban(breaker, `192.0.2.${host}`, host / 3), undefined);
  });

  test('a reload that raises it begins to count anew, and does not close it', () => {
    const breaker = new Breaker(rated);
    for (const host of [0, 1, 2]) ban(breaker, `192.0.2.${host}`);
    breaker.configure({ ...rated, rate: { bans: 5, withinMs: minuteMs } });
    for (const host of [3, 4, 5, 6, 7]) assert.equal(ban(breaker, `192.0.2.${host}`), undefined);
    assert.notEqual(ban(breaker, '192.0.2.8'), undefined);
    breaker.configure(settings);
    assert.notEqual(ban(breaker, '192.0.2.9'), undefined);
  });
});
