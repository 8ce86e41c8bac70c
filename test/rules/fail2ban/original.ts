import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { program } from '../../environment.ts';

const run = promisify(execFile);

/** Debian's: the one that fail2ban's own modules belong to. */
const python = '/usr/bin/python3';

/** What the server of fail2ban holds of a jail after it has obeyed all commands of `fail2ban-client -d`. */
export interface OriginalJail {
  backend: string;
  failregex: string[];
  ignoreregex: string[];
  journalmatch: string[][];
  ignoreip: string[];
  logpath: string[];
  /** prefregex, datepattern, maxlines, usedns, maxretry, findtime, bantime, bantime.*, ... */
  set: Record<string, unknown>;
  actions: Record<string, Record<string, string>>;
  started: boolean;
  /** Why fail2ban skips it. */
  mistake?: string;
}

export type OriginalReading =
  | { readonly kind: 'jails'; readonly jails: Readonly<Record<string, OriginalJail>>; readonly log: string }
  /** fail2ban gives the whole directory up. */
  | { readonly kind: 'refused'; readonly log: string };

/** Python literals, one command a line, as one JSON document. */
const literalsToJson = `
import ast, json, sys
print(json.dumps([ast.literal_eval(line) for line in sys.stdin if line.startswith("[")]))
`;

/** Lets the installed fail2ban resolve a directory, without starting anything. */
export async function readOriginal(dir: string): Promise<OriginalReading> {
  const client = program('fail2ban-client') ?? 'fail2ban-client';
  let dump: { stdout: string; stderr: string };
  try {
    dump = await run(client, ['-d', '-c', dir], { maxBuffer: 1 << 26 });
  } catch (error) {
    const failed = error as { readonly stderr?: string; readonly stdout?: string };
    return { kind: 'refused', log: `${failed.stdout ?? ''}${failed.stderr ?? ''}` };
  }
  const converting = run(python, ['-c', literalsToJson], { maxBuffer: 1 << 26 });
  converting.child.stdin?.end(dump.stdout);
  return { kind: 'jails', jails: obeyAll(JSON.parse((await converting).stdout)), log: dump.stderr };
}

/** The jails that a list of commands comes to. */
export function obeyAll(commands: unknown): Readonly<Record<string, OriginalJail>> {
  if (!Array.isArray(commands)) throw new Error('fail2ban printed no list of commands');
  const jails: Record<string, OriginalJail> = {};
  for (const command of commands) obey(jails, command as readonly unknown[]);
  return jails;
}

function emptyJail(backend: string): OriginalJail {
  return { backend, failregex: [], ignoreregex: [], journalmatch: [], ignoreip: [], logpath: [], set: {}, actions: {}, started: false };
}

function obey(jails: Record<string, OriginalJail>, [verb, name, ...rest]: readonly unknown[]): void {
  if (verb === 'config-error') {
    const jail = /^Jail '(.*?)' skipped/.exec(String(name))?.[1] ?? '?';
    jails[jail] = { ...emptyJail(''), mistake: String(name) };
    return;
  }
  if (verb === 'add') {
    jails[String(name)] = emptyJail(String(rest[0]));
    return;
  }
  const jail = jails[String(name)];
  if (jail === undefined) return; // a setting of the server
  if (verb === 'start') {
    jail.started = true;
    return;
  }
  const [key, ...values] = rest;
  const texts = (verb === 'multi-set' && Array.isArray(values[0]) ? values[0] : values).map(String);
  switch (key) {
    case 'addfailregex':
      jail.failregex.push(...texts);
      break;
    case 'addignoreregex':
      jail.ignoreregex.push(...texts);
      break;
    case 'addjournalmatch':
      jail.journalmatch.push(texts);
      break;
    case 'addignoreip':
      jail.ignoreip.push(...texts);
      break;
    case 'addlogpath':
      jail.logpath.push(texts.join(' '));
      break;
    case 'addaction':
      jail.actions[String(values[0])] = values.length > 1 ? pythonModule(String(values[1]), String(values[2])) : {};
      break;
    case 'action': {
      const pairs = (verb === 'multi-set' ? values[1] : [values.slice(1)]) as readonly (readonly unknown[])[];
      const action = jail.actions[String(values[0])] ?? {};
      for (const [option, value] of pairs) if (typeof value === 'string' || typeof value === 'boolean') action[String(option)] = `${value}`;
      break;
    }
    default:
      jail.set[String(key)] = values[0];
  }
}

function pythonModule(path: string, parameters: string): Record<string, string> {
  return { '.py': path.slice(path.lastIndexOf('/') + 1), parameters: JSON.stringify(JSON.parse(parameters)) };
}

/** Without what makes no difference: the order of files, a default that is said, an empty expression, space around patterns of dates. */
export function normal(jail: OriginalJail): OriginalJail {
  const { datepattern, ...rest } = jail.set;
  const dates = (typeof datepattern === 'string' ? datepattern : '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
  const said = Object.entries(rest).filter(([key, value]) => key !== 'prefregex' || value !== '');
  return { ...jail, logpath: jail.logpath.toSorted(), set: { maxlines: 1, datepattern: dates, ...Object.fromEntries(said) } };
}

/**
 * Asks Python one question for each input, all in one process: `script` defines `answer(input)`.
 *
 * @returns one answer for each; `{ "error": text }` where it raised something
 */
export async function askPython(script: string, inputs: readonly unknown[]): Promise<readonly unknown[]> {
  const asking = run(python, ['-c', `${script}\n${loop}`], { maxBuffer: 1 << 26 });
  asking.child.stdin?.end(JSON.stringify(inputs));
  const answers: unknown = JSON.parse((await asking).stdout);
  if (!Array.isArray(answers)) throw new Error('Python gave no list');
  return answers;
}

const loop = `
import json, sys
def attempt(given):
    try:
        return answer(given)
    except Exception as error:
        return {"error": type(error).__name__ + ": " + str(error)}
print(json.dumps([attempt(given) for given in json.load(sys.stdin)]))
`;
