import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';
import { livesIn } from './lives.ts';
import { storeBans, storedBan, storedSubject } from './stored-bans.ts';

/** How long this takes is measured by `npm run bench -- restart`. */
describe('a start with 20,000 stored bans and no table', { skip: without('root', 'nft', 'ip', 'nsenter') }, () => {
  test('all are in the kernel for as long as they still last, those that ended are not', async (t) => {
    const network = createNetworkPair();
    t.after(network.remove);
    const { directory, host } = network;
    const state = join(directory, 'daemon');
    mkdirSync(state, { mode: 0o700 });
    const [count, over] = [20_000, 500];
    storeBans(join(state, 'sluice.db'), count, over);
    const yaml = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${join(directory, 'mail.log')} }] }
jails: { relay: { filters: [postfix/relay-denied], maxretry: 2, bantime: { first: 1h, factor: 2, max: 4w } } }`;
    const lives = livesIn(state, yaml, host);
    const life = lives.begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    const nowMs = Date.now();
    const list = host.run('nft', 'list', 'table', 'inet', 'sluice');
    const left = new Map(
      [...list.matchAll(/(198\.[\d.]+) timeout \S+ expires (\S+?)[,\s]/g)].map(([, address = '', expires = '']) => [
        address,
        seconds(expires),
      ]),
    );
    assert.equal(left.size, count);
    for (let index = 0; index < count; index++) {
      const expiresS = left.get(storedSubject(index).replace('/32', ''));
      const wantedS = (storedBan(index, nowMs).untilMs - nowMs) / 1_000;
      assert.ok(
        expiresS !== undefined && Math.abs(expiresS - wantedS) < 60,
        `${storedSubject(index)}: ${expiresS} s left instead of ${wantedS}`,
      );
    }
    const bans = await life.bans();
    assert.equal(bans.length, count);
    assert.ok(
      bans.every((ban) => ban.count === 2),
      'the next ban is a third one',
    );
    assert.equal(await life.end('SIGTERM'), 0);
    assert.equal(lives.stored().bans.length, count, 'what has ended is a ban no more');
  });
});

/** `1h2m3s400ms`, as nft writes it. */
function seconds(text: string): number {
  const units: Readonly<Record<string, number>> = { d: 86_400, h: 3_600, m: 60, s: 1, ms: 0.001 };
  return [...text.matchAll(/(\d+)(ms|[dhms])/g)].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (units[unit] ?? NaN), 0);
}
