import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { program } from '../environment.ts';

/** One series of an answer: its labels and its value, `NaN` too. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus with a data folder, a configuration and a port of its own. */
export interface Prometheus {
  readonly port: number;
  /** @throws with Prometheus' own words if the expression is wrong */
  readonly query: (expression: string) => Promise<readonly Sample[]>;
  /** Asks until the answer is as wanted, by default until there is one. @throws after 20 s, with the last answer. */
  readonly until: (expression: string, wanted?: (samples: readonly Sample[]) => boolean) => Promise<readonly Sample[]>;
  /** `data` of an API answer, `/api/v1/rules` say. */
  readonly api: (path: string) => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

/** Prometheus scrapes this often in a test; rates need at least four scrapes. */
export const scrapeMs = 200;

const patienceMs = 20_000;

/**
 * Starts Prometheus (which must be installed: `without('prometheus')`) on a free port of loopback; it scrapes the given port under job `sluice`.
 *
 * @param ruleFiles are loaded and evaluated as often as it scrapes
 */
export async function startPrometheus({
  port,
  ruleFiles = [],
}: {
  readonly port: number;
  readonly ruleFiles?: readonly string[];
}): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'));
  for (const file of ruleFiles) copyFileSync(file, join(folder, basename(file)));
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: `${scrapeMs}ms`, scrape_timeout: `${scrapeMs}ms`, evaluation_interval: `${scrapeMs}ms` },
      rule_files: ruleFiles.map((file) => basename(file)),
      scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [`127.0.0.1:${port}`] }] }],
    }),
  );
  const child = spawn(
    program('prometheus') ?? 'prometheus',
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, '--web.listen-address=127.0.0.1:0'],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { LC_ALL: 'C' } },
  );
  try {
    const own = await listeningPort(child);
    const api = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${own}${path}`);
      const answer: unknown = await response.json();
      if (!isRecord(answer) || answer['status'] !== 'success') throw new Error(`${path}: ${JSON.stringify(answer)}`);
      return answer['data'];
    };
    const query = async (expression: string) => samples(await api(`/api/v1/query?query=${encodeURIComponent(expression)}`));
    const until: Prometheus['until'] = async (expression, wanted = (all) => all.length > 0) => {
      const endMs = Date.now() + patienceMs;
      for (;;) {
        const answer = await query(expression);
        if (wanted(answer)) return answer;
        if (Date.now() > endMs) throw new Error(`${expression}: not as wanted after ${patienceMs} ms: ${JSON.stringify(answer)}`);
        await pause(scrapeMs / 4); // Prometheus tells nobody when it has scraped
      }
    };
    return { port: own, query, until, api, stop: () => stop(child, folder) };
  } catch (error) {
    await stop(child, folder);
    throw error;
  }
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Prometheus was told to take any free port; it says which in its log, on stderr, and later that it answers. */
async function listeningPort(child: ChildProcess): Promise<number> {
  if (child.stderr === null) throw new TypeError('stderr is a pipe');
  const said: string[] = [];
  const lines = createInterface({ input: child.stderr });
  let port: string | undefined;
  return await new Promise<number>((resolve, reject) => {
    lines.on('line', (line) => {
      if (said.length < 100) said.push(line);
      port ??= line.match(/msg="Listening on" address=127\.0\.0\.1:(\d+)/)?.[1];
      if (port !== undefined && line.includes('Server is ready to receive web requests')) resolve(Number(port));
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`prometheus ended with ${code}:\n${said.join('\n')}`)));
  });
}

function samples(data: unknown): Sample[] {
  if (!isRecord(data)) throw new TypeError('the answer has no data');
  const result = data['result'];
  if (data['resultType'] === 'scalar' && Array.isArray(result)) return [{ labels: {}, value: Number(result[1]) }];
  if (!Array.isArray(result)) throw new TypeError('the answer has no result');
  return result.map((series: unknown) => {
    if (!isRecord(series) || !isRecord(series['metric']) || !Array.isArray(series['value'])) throw new TypeError('not an instant vector');
    const labels = Object.fromEntries(Object.entries(series['metric']).map(([name, value]) => [name, String(value)]));
    return { labels, value: Number(series['value'][1]) };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
