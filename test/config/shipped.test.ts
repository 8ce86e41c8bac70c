import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadBuiltIn, loadConfig } from '../../src/config/load.ts';
import { formatDiagnostics } from '../../src/diagnostic.ts';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { configOf, root } from './sample.ts';

const { filters } = loadRules([fileURLToPath(new URL('../../rules', import.meta.url))]);
const rules = { filters, brokenFilters: [], dialect: root.dialect };

describe('share/sluice.yaml', () => {
  const { reading, texts } = loadBuiltIn({ journal: true, files: [], nftables: true }, rules);
  const shown = formatDiagnostics(reading.kind === 'config' ? reading.warnings : reading.diagnostics, texts);

  test('goes with the shipped rules, without a warning', () => {
    assert.equal(shown, '');
    assert.equal(reading.kind, 'config');
  });

  test('reads the same as a file of its own', () => {
    const copied = loadConfig(fileURLToPath(new URL('../../share/sluice.yaml', import.meta.url)), rules);
    assert.ok(reading.kind === 'config' && copied.reading.kind === 'config');
    assert.deepEqual(copied.reading.config, reading.config);
  });

  test('counts every offence of the shipped rules in one jail', () => {
    assert.ok(reading.kind === 'config');
    const { jails } = reading.config;
    const offences = filters.flatMap(({ name, patterns }) =>
      patterns.filter(({ follows }) => !follows).map((pattern) => ({ name, pattern: pattern.name })),
    );
    assert.ok(offences.length > 30, `${offences.length} offences`);
    for (const { name, pattern } of offences) {
      const counting = jails.filter((jail) => jail.filters.some((each) => each === name || each === `${name}/${pattern}`));
      assert.deepEqual(counting.length, 1, `${name}/${pattern} counts in ${counting.map((jail) => jail.name).join(', ') || 'no jail'}`);
    }
  });

  test('closes ports of what was abused, never all', () => {
    assert.ok(reading.kind === 'config');
    for (const { name, ports } of reading.config.jails) assert.equal(ports.kind, 'list', name);
  });

  test('stays sound with its commented lines in', () => {
    const text = readFileSync(new URL('../../share/sluice.yaml', import.meta.url), 'utf8');
    const whole = text.replaceAll(/^( *)# ( *(?:files:|- path:|program:).*)$/gm, '$1$2');
    assert.equal(configOf(whole, rules).sources.files[0]?.program, 'nginx');
  });
});
