import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { createMetrics } from '../../src/metrics/registry.ts';
import { type MetricsServer, serveMetrics } from '../../src/metrics/server.ts';
import { program, without } from '../environment.ts';
import { configured, drive } from '../support/driven-metrics.ts';
import {
  dashboard,
  dashboardQueries,
  files,
  grafanaRuleQueries,
  grafanaRules,
  metricNames,
  type Panel,
  prometheusRules,
  ruleSelectors,
  substitute,
  variableQueries,
} from '../support/grafana.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';

const promtool = (...args: string[]) => spawnSync(program('promtool') ?? '', args, { encoding: 'utf8' });

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('what operators load into Prometheus', { skip: without('promtool') }, () => {
  test('promtool check rules passes', () => assert.equal(promtool('check', 'rules', files.rules).status, 0));
  test('promtool check config passes on the example', () => assert.equal(promtool('check', 'config', files.scrape).status, 0));
  test('promtool test rules passes', () => {
    const { status, stdout, stderr } = promtool('test', 'rules', files.ruleTests);
    assert.equal(status, 0, stdout + stderr);
  });
  test('every alert is shown to fire and to stay quiet', () => {
    const { tests } = parse(readFileSync(files.ruleTests, 'utf8')) as {
      tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const shown = tests.flatMap(({ alert_rule_test: all = [] }) => all);
    for (const { alert } of prometheusRules()) {
      if (alert === undefined) continue;
      const own = shown.filter(({ alertname }) => alertname === alert);
      assert.ok(
        own.some(({ exp_alerts: expected }) => expected.length > 0) && own.some(({ exp_alerts: expected }) => expected.length === 0),
        alert,
      );
    }
  });
});

describe('every alert', () => {
  const headings = [...readFileSync(files.runbook, 'utf8').matchAll(/^## (\w+)$/gm)].map(([, heading]) => heading?.toLowerCase());
  const alerts = [
    ...prometheusRules().flatMap(({ alert, annotations = {} }) => (alert === undefined ? [] : [{ name: alert, annotations }])),
    ...grafanaRules().map(({ uid, annotations }) => ({ name: uid, annotations })),
  ];
  for (const { name, annotations } of alerts) {
    test(`${name} says what it is, what it means, and where the runbook tells what to type`, () => {
      assert.ok(annotations['summary'] && annotations['description']);
      const anchor = annotations['runbook_url']?.match(/^docs\/runbook\.md#(\w+)$/)?.[1];
      assert.ok(headings.includes(anchor), `${anchor} is no section of docs/runbook.md`);
    });
  }
});

test('every metric in dashboard and rules is one of ours, or recorded by the rules', () => {
  const known = new Set([
    ...createMetrics({ version: '0', node: 'v24' }).names(),
    ...prometheusRules().flatMap(({ record }) => record ?? []),
    'up',
  ]);
  const used = [
    ...dashboardQueries(),
    ...variableQueries(),
    ...grafanaRuleQueries(),
    ...prometheusRules().map(({ alert, record, expr }) => ({ where: `rule ${alert ?? record}`, expression: expr })),
  ];
  const unknown = used.flatMap(({ where, expression }) =>
    metricNames(expression).flatMap((name) => (known.has(name) ? [] : [`${where}: ${name}`])),
  );
  assert.deepEqual(unknown, []);
});

test('every metric of sluice is shown on the dashboard or watched by a rule', () => {
  const used = new Set(
    [...dashboardQueries(), ...prometheusRules().map(({ expr }) => ({ expression: expr }))].flatMap(({ expression }) =>
      metricNames(expression),
    ),
  );
  const names = createMetrics({ version: '0', node: 'v24' }).names();
  assert.deepEqual(
    names.filter((name) => name.startsWith('sluice_') && !used.has(name)),
    [],
  );
});

describe('the dashboard', () => {
  const { id, uid, panels, templating } = dashboard();

  test('can be imported anywhere: a fixed uid, no id, its data source chosen by a variable', () => {
    assert.deepEqual({ id, uid }, { id: null, uid: 'sluice' });
    assert.doesNotMatch(readFileSync(files.dashboard, 'utf8'), /__inputs|\$\{DS_/);
    assert.deepEqual(
      templating.list.map(({ name, type }) => [name, type]),
      [
        ['datasource', 'datasource'],
        ['job', 'query'],
        ['instance', 'query'],
        ['jail', 'query'],
      ],
    );
    for (const { type, multi, includeAll } of templating.list) if (type === 'query') assert.ok(multi && includeAll);
    for (const panel of panels) {
      for (const source of [panel.datasource, ...(panel.targets ?? []).map(({ datasource }) => datasource)])
        assert.ok(source === undefined || source.uid === '${datasource}', panel.title);
    }
  });

  test('has panels that do not overlap, within 24 columns, each with an id of its own', () => {
    assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
    for (const [index, panel] of panels.entries()) {
      assert.ok(panel.gridPos.x + panel.gridPos.w <= 24, panel.title);
      assert.deepEqual(
        panels
          .slice(index + 1)
          .filter((other) => overlap(panel, other))
          .map(({ title }) => title),
        [],
      );
    }
  });

  test('asks for rates over $__rate_interval or $__range, so that they fit every zoom and scrape interval', () => {
    for (const { where, expression } of dashboardQueries())
      for (const [range] of expression.matchAll(/\[[^\]]*\]/g))
        assert.ok(['[$__rate_interval]', '[$__range]'].includes(range), `${where}: ${range}`);
  });
});

describe("Grafana's alert rules", () => {
  for (const { uid, title, condition, panelId, data } of grafanaRules()) {
    test(`${uid}: condition and expressions name queries that exist, the panel is there, the data source is the example's`, () => {
      const refIds = data.map(({ refId }) => refId);
      assert.ok(refIds.includes(condition) && title !== '' && uid.length <= 40);
      for (const { refId, model } of data) {
        assert.equal(model.refId, refId);
        assert.ok(model.expression === undefined || refIds.indexOf(model.expression) < refIds.indexOf(refId));
      }
      assert.ok(dashboard().panels.some(({ id, type }) => id === panelId && type !== 'row'));
      const { datasources } = parse(readFileSync(files.datasources, 'utf8')) as { datasources: { uid: string }[] };
      const uids = [...datasources.map((source) => source.uid), '__expr__'];
      assert.deepEqual(
        data.filter(({ datasourceUid }) => !uids.includes(datasourceUid)),
        [],
      );
    });
  }

  test('hold no dollar sign, which Grafana would take for an environment variable', () => {
    assert.ok(!readFileSync(files.alerts, 'utf8').includes('$'));
  });

  test('are provisioned with a dashboard provider of type file', () => {
    const { apiVersion, providers } = parse(readFileSync(files.dashboards, 'utf8')) as {
      apiVersion: number;
      providers: { type: string; options: { path: string } }[];
    };
    assert.equal(apiVersion, 1);
    assert.deepEqual(
      providers.map(({ type, options }) => [type, options.path]),
      [['file', '/var/lib/grafana/dashboards/sluice']],
    );
  });
});

describe('asked of a real Prometheus that scrapes a real /metrics', { skip: without('prometheus') }, () => {
  let server: MetricsServer;
  let prometheus: Prometheus;
  let variables: Record<string, readonly string[]> = {};

  before(async () => {
    const metrics = createMetrics({ version: '0.1.0', node: process.version, commit: 'abcdef0' });
    metrics.configure(configured, Date.now());
    metrics.onScrape(() => drive(metrics));
    server = await serveMetrics(
      { host: '127.0.0.1', port: 0 },
      { text: metrics.text, missing: () => undefined, onError: assert.ifError, onRefused: assert.fail },
    );
    prometheus = await startPrometheus({ port: server.address.port, ruleFiles: [files.rules] });
    await prometheus.until('count_over_time(up{job="sluice"}[1m])', (found) => (found[0]?.value ?? 0) >= 5);
    variables = { job: ['sluice'], instance: [`127.0.0.1:${server.address.port}`], jail: ['manual', ...configured.jails] };
  });
  after(async () => {
    await prometheus.stop();
    await server.close();
  });

  test('the scrape itself is whole', async () => {
    assert.deepEqual(
      (await prometheus.query('up{job="sluice"}')).map(({ value }) => value),
      [1],
    );
  });

  for (const { where, expression, variable, label } of variableQueries()) {
    test(`${where} finds its values`, async () => {
      const selector = substitute(expression, { variables, rateInterval: '1s', range: '1m' });
      const found = (await prometheus.query(selector)).map(({ labels }) => labels[label] ?? '');
      assert.deepEqual([...new Set(found)].toSorted(), variables[variable]?.toSorted());
    });
  }

  for (const { where, expression } of [...dashboardQueries(), ...grafanaRuleQueries()]) {
    test(`${where} has data`, async () => {
      const found = await prometheus.until(substitute(expression, { variables, rateInterval: '2s', range: '1m' }));
      assert.ok(
        found.every(({ value }) => !Number.isNaN(value)),
        JSON.stringify(found),
      );
    });
  }

  for (const { where, expression } of ruleSelectors()) {
    test(`${where}: ${expression} has data`, async () => void (await prometheus.until(expression)));
  }

  test('Prometheus evaluates every rule without an error', async () => {
    const { groups } = (await prometheus.api('/api/v1/rules')) as {
      groups: { rules: { name: string; health: string; lastError?: string }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    assert.equal(rules.length, prometheusRules().length);
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
  });
});
