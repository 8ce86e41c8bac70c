import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExposition } from '../../src/cli/exposition.ts';

test('the samples of the Prometheus text format', () => {
  const text = String.raw`# HELP sluice_bans_total Bans.
# TYPE sluice_bans_total counter
sluice_bans_total{jail="a,b} \"c\"",origin="jail\\x\n"} 12
sluice_up 1

sluice_event_to_kernel_seconds_bucket{le="+Inf",start="stamp"} 3 1795376286000
sluice_lag NaN
sluice_max +Inf
broken line here that is none
`;
  assert.deepEqual(
    [...parseExposition(text)],
    [
      { name: 'sluice_bans_total', labels: { jail: 'a,b} "c"', origin: 'jail\\x\n' }, value: 12 },
      { name: 'sluice_up', labels: {}, value: 1 },
      { name: 'sluice_event_to_kernel_seconds_bucket', labels: { le: '+Inf', start: 'stamp' }, value: 3 },
      { name: 'sluice_lag', labels: {}, value: 'NaN' },
      { name: 'sluice_max', labels: {}, value: '+Inf' },
    ],
  );
});
