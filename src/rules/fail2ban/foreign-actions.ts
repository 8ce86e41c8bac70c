import { dirname, normalize } from 'node:path';
import { compileForeignCommand, ForeignCommandError, replaceParameters } from '../../model/foreign-command.ts';
import type { ForeignAction } from '../../model/foreign-jail.ts';
import { readShell } from '../../model/shell-text.ts';
import type { F2bAction } from './actions.ts';
import { parseF2bDuration } from './f2b-duration.ts';
import type { Place } from './sourced-text.ts';

/** The actions of a jail that our own sets do not replace. */
export interface ConvertedActions {
  readonly actions: readonly ForeignAction[];
  /** Cannot be run. A jail that has one is to be disabled: nobody may believe that it does what it does not. */
  readonly refused: readonly RefusedAction[];
  /** What they need of the system beyond what the shipped unit grants. */
  readonly needs: readonly ActionNeed[];
}

export interface RefusedAction {
  readonly name: string;
  readonly place: Place;
  readonly why: string;
  readonly help: string | undefined;
}

export interface ActionNeed {
  /** Of the action. */
  readonly name: string;
  readonly place: Place;
  /** `root`: another user than the unit's, or more capabilities. `mail`: a program that changes its group. `write`: a directory. `network`: nothing but a way out. */
  readonly kind: 'root' | 'mail' | 'write' | 'network';
  /** For a person: `writes /etc/hosts.deny: ReadWritePaths=/etc`. */
  readonly what: string;
}

const defaultTimeoutSeconds = 60;

export function toForeignActions(actions: readonly F2bAction[]): ConvertedActions {
  const converted: ForeignAction[] = [];
  const refused: RefusedAction[] = [];
  const needs: ActionNeed[] = [];
  for (const action of actions) {
    const { name, place } = action;
    if (action.kind === 'python') {
      refused.push({
        name,
        place,
        why: `${action.file} is a Python module, which cannot be run here`,
        help: 'use an action of shell commands instead, or take it out of the jail',
      });
    } else if (action.kernel === undefined) {
      const foreign = toForeignAction(action);
      const scripts = typeof foreign === 'string' ? [] : scriptsOf(foreign);
      const why = typeof foreign === 'string' ? foreign : scripts.flatMap(mistakesOf)[0];
      if (why !== undefined) refused.push({ name, place, why, help: undefined });
      if (typeof foreign !== 'string' && why === undefined) {
        converted.push(foreign);
        needs.push(...needsOf(scripts.map(({ script }) => script)).map((need) => ({ name, place, ...need })));
      }
    }
  }
  return { actions: converted, refused, needs };
}

/** @returns why not, as text */
function toForeignAction({ name, file, commands, switches, parameters }: Extract<F2bAction, { kind: 'commands' }>): ForeignAction | string {
  const written = parameters.get('timeout');
  const seconds = written === undefined ? defaultTimeoutSeconds : parseF2bDuration(written);
  if (typeof seconds === 'string') return `timeout: ${seconds}`;
  if (seconds <= 0) return `timeout = ${written} leaves no time for a command`;
  return {
    name,
    file,
    commands: new Map([...commands].map(([command, { text }]) => [command, text])),
    // Where the families differ, fail2ban waits for the first ban unless it is told otherwise.
    startOnDemand: switches.actionstart_on_demand ?? [...parameters.keys()].some((key) => /^\w+\?family=/.test(key)),
    repairOnUnban: switches.actionrepair_on_unban ?? false,
    notRestored: switches.norestored ?? false,
    parameters,
    timeoutMs: seconds * 1_000,
  };
}

interface Script {
  readonly command: string;
  /** A mistake, if the parameters could not be replaced. */
  readonly script: string;
  readonly mistake: string | undefined;
}

/** Every command for every family, as it would be run. */
function scriptsOf({ commands, parameters }: ForeignAction): readonly Script[] {
  const properties = new Map([...parameters, ...commands]);
  properties.delete('bantime');
  return [...commands].flatMap(([command, text]) =>
    ['', 'inet4', 'inet6'].map((family) => {
      try {
        return { command, script: replaceParameters(text, properties, family), mistake: undefined };
      } catch (error) {
        if (!(error instanceof ForeignCommandError)) throw error;
        return { command, script: '', mistake: error.message };
      }
    }),
  );
}

function mistakesOf({ command, script, mistake }: Script): readonly string[] {
  const refused = compileForeignCommand(script).refused.map(({ tag, why }) => `${command}, <${tag}>: ${why}`);
  return mistake === undefined ? refused : [`${command}: ${mistake}`];
}

const network = new Set('curl wget whois dig host nslookup nsupdate apprise'.split(' '));
const mail = new Set('mail mailx sendmail exim4 exim msmtp mutt s-nail bsd-mailx ssmtp'.split(' '));
/** Programs that only root may use, or whose daemon asks for it; and those that give rights away, which the unit forbids. */
const root = new Set(
  'iptables ip6tables iptables-save ip6tables-save ufw firewall-cmd apf csf shorewall shorewall6 pfctl npfctl ipf ipfw afctl nginx apachectl systemctl service kill pkill killall sudo doas su conntrack'.split(
    ' ',
  ),
);
const writers = new Set('touch rm tee truncate mv cp mkdir rmdir ln install'.split(' '));
/** What is left of them belongs to the ban. */
const tag = /<[A-Za-z][\w.-]*>/g;
const harmless = /^\/dev\/(?:null|stdout|stderr|tty|fd\/\d+)$/;

function needsOf(scripts: readonly string[]): readonly Pick<ActionNeed, 'kind' | 'what'>[] {
  const found = new Map<string, Pick<ActionNeed, 'kind' | 'what'>>();
  const add = (kind: ActionNeed['kind'], what: string) => found.set(what, { kind, what });
  const addFile = (path: string) => {
    if (path.startsWith('/') && !harmless.test(path)) add('write', `writes ${normalize(path)}: ReadWritePaths=${dirname(normalize(path))}`);
  };
  for (const script of scripts) {
    const { commands, writes } = readShell(script.replaceAll(tag, '0'));
    for (const path of writes) addFile(path);
    for (const words of commands) {
      const name = (words[0] ?? '').replace(/^.*\//, '');
      if (network.has(name)) add('network', `${name} goes to other hosts`);
      if (mail.has(name)) add('mail', `${name} changes its group to hand mail over: NoNewPrivileges=no, and ReadWritePaths= for the spool`);
      if (root.has(name)) add('root', `${name} wants root, or more than CAP_NET_ADMIN`);
      if (writers.has(name)) for (const word of words.slice(1)) addFile(word);
      if (name === 'sed' && words.some((word) => /^(?:-[a-zA-Z]*i|--in-place)/.test(word))) addFile(words.at(-1) ?? '');
    }
  }
  return [...found.values()];
}
