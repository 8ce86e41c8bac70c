import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MailLogShape, writeMailLog } from './mail-log.ts';
import type { Result } from './result.ts';
import { median, type Timed, timeRun } from './timed-run.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The same reasons that fail2ban's postfix filter looks for in its mode "aggressive", as far as an expression without it can. */
const grepExpression =
  'postfix(-\\w+)?/\\w+(/smtp[ds])?\\[[0-9]+\\]: (NOQUEUE: reject: RCPT from [^[]*\\[[0-9a-f.:]+\\]:? (4|5)|warning: [^[]*\\[[0-9a-f.:]+\\]: SASL \\S+ authentication failed)';

/** `sluice test` on old logs against fail2ban-regex, with grep as the floor: whole processes, one after the other, several times. */
export async function benchTest(directory: string, lines: number, rounds: number): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const rejectShare of [0.1, 0.01]) {
    const shape: MailLogShape = {
      lines,
      rejectShare,
      offenders: 2_500,
      seed: 7,
      startMs: Date.UTC(2026, 9, 18, 1, 20, 9),
      linesPerSecond: 300,
    };
    const log = join(directory, `mail-${lines}-${rejectShare}.log`);
    if (!existsSync(log)) writeMailLog(log, shape);
    const node = join(root, 'scripts/with-node');
    const cli = join(root, 'dist/cli.js');
    const commands: Record<string, readonly string[]> = {
      'fail2ban-regex': ['fail2ban-regex', log, 'postfix[mode=aggressive]'],
      'sluice test, our filter': [node, cli, 'test', log, '--filter', 'postfix', '--json'],
      'sluice test, theirs': [node, cli, 'test', log, '--filter', 'fail2ban:postfix[mode=aggressive]', '--json'],
      'grep -cE': ['grep', '-cE', grepExpression, log],
    };
    const times = new Map<string, Timed[]>(Object.keys(commands).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, command] of Object.entries(commands)) {
        process.stderr.write(`test, ${rejectShare * 100} % rejects, round ${round + 1}: ${name}\n`);
        times.get(name)?.push(await timeRun(command));
      }
    }
    const wallOf = (name: string): number => median((times.get(name) ?? []).map(({ wallMs }) => wallMs));
    const cpuOf = (name: string): number => median((times.get(name) ?? []).map(({ cpuMs }) => cpuMs));
    for (const name of times.keys()) {
      results.push({
        what: `test, ${lines.toLocaleString('en')} lines, ${rejectShare * 100} % rejects`,
        who: name,
        figures: {
          'CPU ms': cpuOf(name),
          'wall ms': wallOf(name),
          'times fail2ban (CPU)': cpuOf('fail2ban-regex') / cpuOf(name),
          'times fail2ban (wall)': wallOf('fail2ban-regex') / wallOf(name),
        },
      });
    }
  }
  return results;
}
