import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { type Configured, createMetrics, type Metrics } from '../../src/metrics/registry.ts';
import { parsePrefix } from '../../src/model/address.ts';
import { program, without } from '../environment.ts';
import { configured, drive } from '../support/driven-metrics.ts';

const subject = parsePrefix('192.0.2.4/32') ?? assert.fail();
const network = parsePrefix('2001:db8:1::/64') ?? assert.fail();

function metricsOf(initial: Configured = configured): Metrics {
  const metrics = createMetrics({ version: '0.1.0', node: 'v24.21.0', commit: 'abcdef0' });
  metrics.configure(initial, 1_000);
  return metrics;
}

/** The page as name and labels to value. */
async function shown(metrics: Metrics): Promise<Map<string, number>> {
  const { body } = await metrics.text();
  return new Map(
    body.split('\n').flatMap((line) => {
      const space = line.lastIndexOf(' ');
      return line === '' || line.startsWith('#') ? [] : [[line.slice(0, space), Number(line.slice(space + 1))]];
    }),
  );
}

describe('from the start, before anything happened', () => {
  test('every counter of everything configured is there, at 0', async () => {
    const page = await shown(metricsOf());
    const expected = [
      'sluice_matches_total{filter="postfix",pattern="relay-denied"}',
      'sluice_filter_ignored_total{filter="sshd",reason="no_address"}',
      'sluice_filter_timeouts_total{filter="sshd"}',
      'sluice_jail_failures_total{jail="postfix-auth"}',
      'sluice_jail_ignored_total{jail="postfix-auth",reason="protected"}',
      'sluice_jail_evictions_total{jail="postfix-auth"}',
      'sluice_bans_total{jail="postfix-relay",origin="jail"}',
      'sluice_bans_total{jail="manual",origin="manual"}',
      'sluice_unbans_total{jail="postfix-relay",reason="jail_removed"}',
      'sluice_observed_bans_total{jail="postfix-noise"}',
      'sluice_active_bans{jail="postfix-relay",family="ipv6"}',
      'sluice_source_records_total{source="journal"}',
      'sluice_source_errors_total{source="udp://127.0.0.1:5514",reason="denied_peer"}',
      'sluice_source_lost_records_total{source="udp://127.0.0.1:5514",reason="udp_kernel"}',
      'sluice_nft_transactions_total{result="timeout"}',
      'sluice_event_to_kernel_seconds_bucket{le="0.002",start="stamp"}',
      'sluice_event_to_kernel_seconds_count{start="received"}',
      'sluice_records_dropped_total{queue="worker",reason="full"}',
      'sluice_bound_reached_total{bound="evidence"}',
    ];
    for (const series of expected) assert.equal(page.get(series), 0, series);
  });

  test('a source has been silent since reading began, not since 1970', async () => {
    const page = await shown(metricsOf());
    assert.equal(page.get('sluice_source_last_record_timestamp_seconds{source="journal"}'), 1);
  });

  test('the build is named', async () => {
    assert.equal((await shown(metricsOf())).get('sluice_build_info{version="0.1.0",node="v24.21.0",commit="abcdef0"}'), 1);
  });
});

describe('bans', () => {
  test('that were made and those that would have been have names of their own', async () => {
    const metrics = metricsOf();
    const jail = metrics.jail('postfix-relay');
    jail.banned({ subject, origin: 'jail', observe: false });
    jail.banned({ subject: network, origin: 'manual', observe: false });
    jail.banned({ subject, origin: 'jail', observe: true });
    jail.unbanned({ subject, observe: true }, 'expired');
    jail.unbanned({ subject: network, observe: false }, 'allowlist');
    const page = await shown(metrics);
    assert.equal(page.get('sluice_bans_total{jail="postfix-relay",origin="jail"}'), 1);
    assert.equal(page.get('sluice_bans_total{jail="postfix-relay",origin="manual"}'), 1);
    assert.equal(page.get('sluice_observed_bans_total{jail="postfix-relay"}'), 1);
    assert.equal(page.get('sluice_active_bans{jail="postfix-relay",family="ipv4"}'), 1);
    assert.equal(page.get('sluice_active_bans{jail="postfix-relay",family="ipv6"}'), 0);
    assert.equal(page.get('sluice_observed_active_bans{jail="postfix-relay",family="ipv4"}'), 0);
    assert.equal(page.get('sluice_unbans_total{jail="postfix-relay",reason="expired"}'), 0, 'a would-be ban that ends is no unban');
    assert.equal(page.get('sluice_unbans_total{jail="postfix-relay",reason="allowlist"}'), 1);
  });

  test('that come back from the store are in force, and not new', async () => {
    const metrics = metricsOf();
    metrics.jail('postfix-auth').restored({ subject, observe: false });
    const page = await shown(metrics);
    assert.equal(page.get('sluice_active_bans{jail="postfix-auth",family="ipv4"}'), 1);
    assert.equal(page.get('sluice_bans_total{jail="postfix-auth",origin="jail"}'), 0);
  });
});

describe('a reload', () => {
  const later: Configured = {
    sources: [{ name: 'journal', kind: 'journal', silenceMs: 60_000 }],
    jails: ['postfix-auth', 'sshd'],
    filters: [{ name: 'postfix', patterns: ['sasl-failed', 'pregreet'] }],
  };

  test('keeps the counts of what stays, and the handles on them', async () => {
    const metrics = metricsOf();
    const [jail, filter, source] = [metrics.jail('postfix-auth'), metrics.filter('postfix'), metrics.source('journal')];
    jail.failures.inc(2);
    filter.matched('sasl-failed');
    source.read(3, 600, 2_000);
    metrics.configure(later, 5_000);
    jail.failures.inc();
    filter.matched('sasl-failed');
    filter.matched('pregreet');
    source.read(1, 200, 6_000);
    const page = await shown(metrics);
    assert.equal(page.get('sluice_jail_failures_total{jail="postfix-auth"}'), 3);
    assert.equal(page.get('sluice_matches_total{filter="postfix",pattern="sasl-failed"}'), 2);
    assert.equal(page.get('sluice_matches_total{filter="postfix",pattern="pregreet"}'), 1);
    assert.equal(page.get('sluice_source_bytes_total{source="journal"}'), 800);
    assert.equal(page.get('sluice_source_last_record_timestamp_seconds{source="journal"}'), 6);
    assert.equal(page.get('sluice_source_silence_threshold_seconds{source="journal"}'), 60);
  });

  test('shows what is new at 0, and what went no more, even if somebody still counts on it', async () => {
    const metrics = metricsOf();
    const gone = metrics.jail('postfix-relay');
    metrics.configure(later, 5_000);
    gone.failures.inc();
    metrics.jail('postfix-relay').failures.inc();
    metrics.filter('postfix').matched('relay-denied');
    metrics.filter('nobody').matched('nothing');
    const page = await shown(metrics);
    assert.equal(page.get('sluice_jail_failures_total{jail="sshd"}'), 0);
    assert.equal(page.get('sluice_matches_total{filter="postfix",pattern="pregreet"}'), 0);
    const names = [...page.keys()].join('\n');
    for (const went of ['postfix-relay', 'postfix-noise', 'relay-denied', 'mail.log', 'filter="sshd"', 'nobody'])
      assert.ok(!names.includes(went), went);
  });

  test('of a hundred configurations leaves the page as long as the first', async () => {
    const metrics = metricsOf();
    const { size } = await shown(metrics);
    for (let round = 0; round < 100; round++) metrics.configure(round % 2 === 0 ? later : configured, round);
    assert.equal((await shown(metrics)).size, size);
  });

  test('that failed is told, and the time of the last good one stays', async () => {
    const metrics = metricsOf();
    metrics.configLoaded(true, 10_000);
    metrics.configLoaded(false, 20_000);
    const page = await shown(metrics);
    assert.equal(page.get('sluice_config_last_reload_successful'), 0);
    assert.equal(page.get('sluice_config_last_reload_success_timestamp_seconds'), 10);
  });
});

describe('the kernel', () => {
  test("packets go on counting when the rule's counter begins anew", async () => {
    const metrics = metricsOf();
    metrics.kernelSets(['all_h4']);
    const set = metrics.set('all_h4');
    for (const packets of [5, 8, 2, 2, 3]) set.dropped(packets, packets * 60);
    const page = await shown(metrics);
    assert.equal(page.get('sluice_dropped_packets_total{set="all_h4"}'), 11);
    assert.equal(page.get('sluice_dropped_bytes_total{set="all_h4"}'), 660);
  });

  test('sets come and go with the lists of ports', async () => {
    const metrics = metricsOf();
    metrics.kernelSets(['all_h4', 'all_h6']);
    metrics.kernelSets(['all_h6']);
    const page = await shown(metrics);
    assert.equal(page.has('sluice_set_elements{set="all_h4"}'), false);
    assert.equal(page.get('sluice_set_elements{set="all_h6"}'), 0);
  });

  test('a latency below 0, because the clock was set back, counts as none', async () => {
    const metrics = metricsOf();
    metrics.kernel.eventToKernel.stamp.observe(-3);
    metrics.kernel.eventToKernel.stamp.observe(0.007);
    const page = await shown(metrics);
    assert.equal(page.get('sluice_event_to_kernel_seconds_bucket{le="0.002",start="stamp"}'), 1);
    assert.equal(page.get('sluice_event_to_kernel_seconds_bucket{le="0.01",start="stamp"}'), 2);
    assert.equal(page.get('sluice_event_to_kernel_seconds_sum{start="stamp"}'), 0.007);
  });
});

test('gauges that are dear to keep are collected when somebody asks', async () => {
  const metrics = metricsOf();
  let asked = 0;
  metrics.onScrape(() => metrics.jail('postfix-auth').trackedSubjects.set(++asked));
  assert.equal((await shown(metrics)).get('sluice_jail_tracked_subjects{jail="postfix-auth"}'), 1);
  assert.equal((await shown(metrics)).get('sluice_jail_tracked_subjects{jail="postfix-auth"}'), 2);
});

const check = (body: string) => spawnSync(program('promtool') ?? '', ['check', 'metrics'], { input: body, encoding: 'utf8' });

describe('the page', () => {
  test('passes promtool check metrics, driven or not', { skip: without('promtool') }, async () => {
    const metrics = metricsOf();
    for (const page of [await metrics.text(), (drive(metrics), await metrics.text())]) {
      const { status, stdout, stderr } = check(page.body);
      assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' });
      assert.equal(page.contentType, 'text/plain; version=0.0.4; charset=utf-8');
    }
  });

  test('promtool does find fault with a page that has one', { skip: without('promtool') }, () => {
    assert.notEqual(check('# HELP a b\n# TYPE a counter\na 1\n').status, 0);
  });

  test('stays well-formed whatever a jail is called', { skip: without('promtool') }, async () => {
    const jails = ['a"} 1\nsluice_bans_total{jail="forged', 'back\\slash', 'comma,origin:jail', '{}', 'ü\u2028\u0000'];
    const patterns = ['c', 'b,pattern:c'];
    const metrics = metricsOf({
      sources: [],
      jails,
      filters: [
        { name: 'a', patterns },
        { name: 'a,pattern:b', patterns: ['c'] },
      ],
    });
    metrics.filter('a').matched('b,pattern:c');
    const { body } = await metrics.text();
    assert.equal(check(body).status, 0);
    const page = await shown(metrics);
    assert.equal(page.has('sluice_bans_total{jail="forged'), false);
    assert.equal(page.get('sluice_matches_total{filter="a",pattern="b,pattern:c"}'), 1);
    assert.equal(page.get('sluice_matches_total{filter="a,pattern:b",pattern="c"}'), 0, 'names are not glued together');
    assert.equal(body.match(/^sluice_jail_failures_total\{/gm)?.length, jails.length + 1);
  });

  test('has no label beside those that come from the configuration and closed sets', async () => {
    const metrics = metricsOf();
    drive(metrics);
    const open = new Map<string, Set<string>>();
    for (const series of (await shown(metrics)).keys()) {
      if (!series.startsWith('sluice_')) continue;
      for (const [, label = '', value = ''] of series.matchAll(/(\w+)="([^"]*)"/g))
        open.set(label, (open.get(label) ?? new Set()).add(value));
    }
    const labels = 'bound commit family filter jail kind le node origin pattern queue reason result set source start state type version';
    assert.equal([...open.keys()].toSorted().join(' '), labels);
    assert.deepEqual(open.get('jail'), new Set(['manual', ...configured.jails]));
    assert.deepEqual(open.get('source'), new Set(configured.sources.map(({ name }) => name)));
    for (const values of open.values()) assert.ok(values.size <= 40);
  });
});
