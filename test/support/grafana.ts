import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** A PromQL expression and where it stands, for the reader of a failing test. */
export interface Query {
  readonly where: string;
  readonly expression: string;
}

const repository = join(import.meta.dirname, '../..');
export const files = {
  dashboard: join(repository, 'share/grafana/dashboards/sluice.json'),
  dashboards: join(repository, 'share/grafana/provisioning/dashboards/sluice.yaml'),
  datasources: join(repository, 'share/grafana/provisioning/datasources/prometheus.example.yaml'),
  alerts: join(repository, 'share/grafana/provisioning/alerting/sluice.yaml'),
  rules: join(repository, 'share/prometheus/sluice.rules.yml'),
  ruleTests: join(repository, 'share/prometheus/sluice.rules.test.yml'),
  scrape: join(repository, 'share/prometheus/prometheus.example.yml'),
  runbook: join(repository, 'docs/runbook.md'),
} as const;

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly multi: boolean;
  readonly includeAll: boolean;
}

export interface Dashboard {
  readonly id: null;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

export interface GrafanaRule {
  readonly uid: string;
  readonly title: string;
  readonly condition: string;
  readonly panelId: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: readonly {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly model: { readonly refId: string; readonly expr?: string; readonly expression?: string };
  }[];
}

export interface PrometheusRule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function dashboard(): Dashboard {
  return JSON.parse(readFileSync(files.dashboard, 'utf8')) as Dashboard;
}

/** Every query of every panel, variables as they stand. */
export function dashboardQueries(): Query[] {
  return dashboard().panels.flatMap((panel) =>
    (panel.targets ?? []).map((target) => ({ where: `panel "${panel.title}" ${target.refId}`, expression: target.expr })),
  );
}

/** `label_values(METRIC, LABEL)` of the dashboard's variables: the metric and the label. */
export function variableQueries(): (Query & { readonly variable: string; readonly label: string })[] {
  return dashboard().templating.list.flatMap(({ name, type, query }) => {
    if (type !== 'query' || typeof query === 'string') return [];
    const [, metric, label] = query.query.match(/^label_values\((.+), (\w+)\)$/) ?? [];
    if (metric === undefined || label === undefined) throw new Error(`variable ${name}: ${query.query}`);
    return [{ where: `variable ${name}`, expression: metric, variable: name, label }];
  });
}

export function grafanaRules(): GrafanaRule[] {
  const { groups } = parse(readFileSync(files.alerts, 'utf8')) as { groups: { rules: GrafanaRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** What Grafana's alert rules ask Prometheus. */
export function grafanaRuleQueries(): Query[] {
  return grafanaRules().flatMap(({ uid, data }) =>
    data.flatMap(({ refId, model }) => (model.expr === undefined ? [] : [{ where: `alert rule ${uid} ${refId}`, expression: model.expr }])),
  );
}

export function prometheusRules(): PrometheusRule[] {
  const { groups } = parse(readFileSync(files.rules, 'utf8')) as { groups: { rules: PrometheusRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/**
 * The selectors of Prometheus' own rules, each once. The rules themselves answer only when something is wrong; each selector must answer
 * always, or the rule could never fire.
 */
export function ruleSelectors(): Query[] {
  const found = new Map<string, Query>();
  for (const { alert, record, expr } of prometheusRules()) {
    for (const expression of selectors(expr)) found.set(expression, { where: `rule ${alert ?? record}`, expression });
  }
  return [...found.values()];
}

/** Metric names with their label matchers, without ranges. */
export function selectors(expression: string): string[] {
  return expression.match(/\b(?:up|(?:instance:|jail:)?(?:sluice|process|nodejs)_[a-z0-9_:]+)\b(?:\{[^}]*\})?/g) ?? [];
}

/** The metric names of an expression: of a histogram the name without its suffix. */
export function metricNames(expression: string): string[] {
  return selectors(expression).map((selector) => selector.replace(/\{.*/s, '').replace(/_(?:bucket|sum|count)$/, ''));
}

/**
 * Puts values in as Grafana's Prometheus data source does: a variable that takes several becomes a group of alternatives, each escaped for a
 * regular expression within a string; `$__rate_interval` and `$__range` become durations.
 */
export function substitute(
  expression: string,
  { variables, rateInterval, range }: { variables: Readonly<Record<string, readonly string[]>>; rateInterval: string; range: string },
): string {
  return expression.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    if (name === '__rate_interval') return rateInterval;
    if (name === '__range') return range;
    const values = variables[name];
    if (values === undefined) throw new Error(`${expression}: ${whole} is no variable of the dashboard`);
    const escaped = values.map((value) => value.replaceAll('\\', '\\\\\\\\').replaceAll(/[$^*{}[\]'+?.()|]/g, '\\\\$&'));
    return escaped.length === 1 ? (escaped[0] ?? '') : `(${escaped.join('|')})`;
  });
}
