import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createMetrics } from '../../src/metrics/registry.ts';
import { program, without } from '../environment.ts';

const configured = {
  sources: [{ name: 'journal', kind: 'journal', silenceMs: 0 }],
  jails: ['postfix-auth'],
  filters: [{ name: 'postfix', patterns: ['relay-denied', 'sasl-failed'] }],
  sets: ['g1_h4'],
} as const;
const metrics = createMetrics({ version: '0.1.0', node: 'v24' });
metrics.configure(configured, 1_000);
const { body } = await metrics.text();
test('promtool check metrics passes', { skip: without('promtool') }, () => {
  assert.equal(execFileSync(program('promtool') ?? '', ['check', 'metrics'], { input: body, encoding: 'utf8' }), '');
});
