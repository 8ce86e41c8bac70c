import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
after(() => rmSync(folder, { recursive: true }));

const cases: readonly [path: string, said: string][] = [
  [
    join(folder, 'none.yaml'),
    `${join(folder, 'none.yaml')}: there is no such file; name a rule file, or none to check the configuration and all rules`,
  ],
  [folder, `${folder} is a directory: name the rule files in it`],
];
for (const [path, said] of cases) {
  test(`check ${path.slice(folder.length) || 'FOLDER'}: names the path and says what to name instead`, async () => {
    const { stdout, stderr, exitCode } = await execa(sluice, ['check', path], { reject: false, stdin: 'ignore' });
    assert.deepEqual({ stdout, stderr, exitCode }, { stdout: '', stderr: `sluice: ${said}`, exitCode: 1 });
  });
}
