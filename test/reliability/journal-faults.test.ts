import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { without } from '../environment.ts';
import { cgroups, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair } from '../support/netns.ts';
import { livesIn } from './lives.ts';
import { refusal } from './offenders.ts';

const skip = without('root', 'nft', 'ip', 'nsenter') || withoutJournald();

test('journalctl dies again and again: every failure counts once, and the restarts are counted', { skip }, async (t) => {
  const network = createNetworkPair();
  const journald = await startJournald(['RateLimitIntervalSec=0']);
  t.after(async () => {
    await journald.stop();
    network.remove();
  });
  const yaml = `sources: { own: journal, journal: { directory: ${journald.directory} } }
jails: { relay: { filters: [postfix/relay-denied], maxretry: 500 } }`;
  const life = livesIn(join(network.directory, 'daemon'), yaml, network.host).begin();
  t.after(() => life.end('SIGKILL'));
  await life.ready;
  const rounds = 5;
  let failures = 0;
  for (let round = 1; round <= rounds; round++) {
    await journald.log(Array(20).fill(refusal('203.0.113.7')), { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
    failures += 20;
    await killReader(life.pid);
    await life.status(({ sources }) => (sources[0]?.errors.restart ?? 0) >= round);
    await pause(round * 50); // it dies at another moment of what it reads each time
  }
  const { jails, sources } = await life.status(({ jails: all }) => (all.find(({ name }) => name === 'relay')?.failures ?? 0) >= failures);
  assert.equal(jails.find(({ name }) => name === 'relay')?.failures, failures);
  assert.deepEqual(sources[0]?.lost, {});
  const page = await life.ask.text('/v1/metrics');
  assert.match(page, /^sluice_source_errors_total\{source="journal",reason="restart"\} 5$/m);
  assert.match(page, /^sluice_source_lost_records_total\{source="journal",reason="cursor_gap"\} 0$/m);
});

/** It may be about to be started again. */
async function killReader(daemon: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const reader = descendants(daemon).find(follows);
    if (reader !== undefined) {
      process.kill(reader, 'SIGKILL');
      return;
    }
    await pause(20); // nobody tells when it runs
  }
  throw new Error('the daemon runs no journalctl');
}

function descendants(pid: number): readonly number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Not the one that only tries whether the journal can be read. */
function follows(pid: number): boolean {
  const command = read(`/proc/${pid}/cmdline`);
  return command.includes('journalctl') && command.includes('--follow');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}
