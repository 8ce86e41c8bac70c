import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { inputsFor } from './corpora.ts';
import { type TargetName, targets } from './targets.ts';

/**
 * Nothing that others write makes a reader of ours throw, or think for long. An input that did is kept in test/fuzz/crashers, as
 * TARGET.HASH, and read again by every later run: commit it with what mends it. `SLUICE_FUZZ=100000` looks longer.
 */
const runs = Number(process.env['SLUICE_FUZZ'] ?? 1_000);
/** Ten times what the slowest takes, so that a busy machine is no finding; what is not linear takes seconds. */
const limitMs = 1_000;
const folder = join(import.meta.dirname, 'crashers');

const names = Object.keys(targets).filter((name): name is TargetName => name in targets);

function survives(name: TargetName, input: Buffer): void {
  const before = process.cpuUsage();
  targets[name](input);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1_000 < limitMs, `${(user + system) / 1_000} ms for ${input.length} bytes`);
}

describe('what once broke a reader', () => {
  for (const file of readdirSync(folder).filter((each) => each !== 'README.md')) {
    test(file, () => {
      const [name] = file.split('.');
      const target = names.find((each) => each === name);
      assert.ok(target !== undefined, `${file} begins with none of ${names.join(', ')}`);
      survives(target, readFileSync(join(folder, file)));
    });
  }
});

describe('whatever is written', () => {
  for (const name of names) {
    test(`${name}: comes back at once, without an exception`, () => {
      const found = fc.check(
        fc.property(inputsFor(name), (input) => survives(name, input)),
        { numRuns: runs },
      );
      if (!found.failed) return;
      const [input = Buffer.alloc(0)] = found.counterexample ?? [];
      const file = `${name}.${createHash('sha256').update(input).digest('hex').slice(0, 12)}`;
      writeFileSync(join(folder, file), input);
      throw new Error(`kept as test/fuzz/crashers/${file}`, { cause: found.errorInstance });
    });
  }
});
