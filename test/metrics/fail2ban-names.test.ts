import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { createMetrics, type Metrics } from '../../src/metrics/registry.ts';
import type { JailPolicy } from '../../src/metrics/fail2ban-names.ts';
import { prefix } from '../control/sample-daemon.ts';
import { program, without } from '../environment.ts';
import { configured, drive } from '../support/driven-metrics.ts';

const hour = 3_600_000;
const policy = (name: string, firstMs: number): JailPolicy => ({
  name,
  maxretry: 5,
  findtimeMs: 600_000,
  bantime: { firstMs, factor: 2, maxMs: firstMs, forgetMs: hour },
});
const ssh = policy('ssh', hour);

function metricsOf(...policies: readonly JailPolicy[]): Metrics {
  const metrics = createMetrics({ version: '0', node: '0' });
  metrics.configure({ sources: [], filters: [], jails: policies.map(({ name }) => name) }, 0);
  metrics.alsoAsFail2ban(policies);
  return metrics;
}

async function series(metrics: Metrics): Promise<readonly string[]> {
  const { body } = await metrics.text();
  return body.split('\n').filter((line) => line.startsWith('f2b_'));
}

describe("the names of fail2ban's exporters", () => {
  test('are served only where they are asked for', async () => {
    const metrics = metricsOf(ssh);
    metrics.alsoAsFail2ban(undefined);
    assert.deepEqual(await series(metrics), []);
  });

  test('are there from the start, with what is configured', async () => {
    assert.deepEqual(await series(metricsOf(ssh, policy('for-ever', Infinity))), [
      'f2b_up 1',
      'f2b_errors{type="socket_conn"} 0',
      'f2b_errors{type="socket_req"} 0',
      'f2b_jail_count 2',
      'f2b_jail_banned_current{jail="ssh"} 0',
      'f2b_jail_banned_current{jail="for-ever"} 0',
      'f2b_jail_banned_total{jail="ssh"} 0',
      'f2b_jail_banned_total{jail="for-ever"} 0',
      'f2b_jail_failed_current{jail="ssh"} 0',
      'f2b_jail_failed_current{jail="for-ever"} 0',
      'f2b_jail_failed_total{jail="ssh"} 0',
      'f2b_jail_failed_total{jail="for-ever"} 0',
      'f2b_config_jail_ban_time{jail="ssh"} 3600',
      'f2b_config_jail_ban_time{jail="for-ever"} -1',
      'f2b_config_jail_find_time{jail="ssh"} 600',
      'f2b_config_jail_find_time{jail="for-ever"} 600',
      'f2b_config_jail_max_retries{jail="ssh"} 5',
      'f2b_config_jail_max_retries{jail="for-ever"} 5',
    ]);
  });

  test('count as fail2ban does: restored bans, failures of the banned, no bans that only would be', async () => {
    const metrics = metricsOf(ssh);
    const jail = metrics.jail('ssh');
    const ban = { subject: prefix('192.0.2.4'), origin: 'jail', observe: false } as const;
    jail.restored(ban);
    jail.banned({ ...ban, subject: prefix('2001:db8::/64') });
    jail.banned({ ...ban, origin: 'manual' });
    jail.banned({ ...ban, observe: true });
    jail.restored({ ...ban, observe: true });
    jail.unbanned(ban, 'expired');
    jail.failures.inc(7);
    jail.ignored.banned.inc(2);
    jail.ignored.protected.inc(4);
    jail.trackedSubjects.set(3);
    const values = Object.fromEntries((await series(metrics)).map((line) => line.split(' ')));
    assert.deepEqual(
      ['banned_current', 'banned_total', 'failed_current', 'failed_total'].map((name) => values[`f2b_jail_${name}{jail="ssh"}`]),
      ['2', '3', '3', '9'],
    );
  });

  test('have a jail for bans by hand once there was one', async () => {
    const metrics = metricsOf(ssh);
    metrics.jail('manual').banned({ subject: prefix('192.0.2.4'), origin: 'manual', observe: false });
    const found = await series(metrics);
    assert.ok(found.includes('f2b_jail_count 2'));
    assert.deepEqual(
      found.filter((line) => line.includes('"manual"')).map((line) => line.replace(/\{.*\}/, '')),
      ['f2b_jail_banned_current 1', 'f2b_jail_banned_total 1', 'f2b_jail_failed_current 0', 'f2b_jail_failed_total 0'],
    );
  });

  test('pass promtool check metrics beside ours, whatever a jail is called', { skip: without('promtool') }, async () => {
    const odd = ['a"} 1\nf2b_up{jail="forged', 'back\\slash', 'ü\u2028'].map((name) => policy(name, hour));
    const metrics = metricsOf(...odd);
    const driven = createMetrics({ version: '0', node: '0' });
    driven.configure(configured, 0);
    driven.alsoAsFail2ban(configured.jails.map((name) => policy(name, hour)));
    drive(driven);
    for (const { body } of [await metrics.text(), await driven.text()]) {
      const { status, stdout, stderr } = spawnSync(program('promtool') ?? '', ['check', 'metrics'], { input: body, encoding: 'utf8' });
      assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' });
    }
    assert.equal((await series(metrics)).filter((line) => line.startsWith('f2b_up')).length, 1);
  });
});
