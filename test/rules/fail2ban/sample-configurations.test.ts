import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { without } from '../../environment.ts';
import { asOriginal } from './as-original.ts';
import { normal, readOriginal } from './original.ts';

const samples = fileURLToPath(new URL('../../samples/fail2ban', import.meta.url));

describe('configurations of our own come out as fail2ban-client -d has them', { skip: without('fail2ban-client') }, () => {
  for (const name of readdirSync(samples)) {
    test(name, async () => {
      const dir = join(samples, name);
      const original = await readOriginal(dir);
      assert.equal(original.kind, 'jails', 'log' in original ? original.log : '');
      const theirs = original.kind === 'jails' ? original.jails : {};
      const ours = loadFail2ban(dir);
      const skipped = Object.keys(theirs).filter((jail) => theirs[jail]?.mistake !== undefined);
      assert.deepEqual(
        ours.disabled.map(({ jail }) => jail),
        skipped,
        JSON.stringify(ours.disabled),
      );
      assert.deepEqual(
        ours.jails.map((jail) => jail.name),
        Object.keys(theirs).filter((jail) => !skipped.includes(jail)),
      );
      for (const jail of ours.jails) {
        const their = theirs[jail.name];
        assert.ok(their !== undefined);
        assert.deepEqual(normal(asOriginal(jail)), normal(their), jail.name);
      }
    });
  }
});
