/** One line of the Prometheus text format. `value` is text where JSON has no such number: `+Inf`, `NaN`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | string;
}

/**
 * Reads the samples of the Prometheus text format; comments, types and time stamps are left out.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function* parseExposition(text: string): Generator<Sample> {
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([-+]?(?:\d[\d.eE+-]*|Inf)|NaN)(?: |$)/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const number = Number(value);
    yield { name, labels: parseLabels(labels), value: Number.isFinite(number) ? number : value };
  }
}

function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: [string, string][] = [];
  for (const [, name = '', value = ''] of text.matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels.push([name, value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))]);
  }
  return Object.fromEntries(labels);
}
