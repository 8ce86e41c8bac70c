import { type Address, prefixOf } from '../model/address.ts';
import { compileForeignCommand, fillIn, type ForeignCommand, replaceParameters } from '../model/foreign-command.ts';
import { type ActionBan, familyTag, type JailInfo, tagValue } from './action-ban.ts';
import { type CacheSettings, createAnswerCache, parseIgnoreCache } from './ignore-cache.ts';
import { createHostNames, type HostNames } from './own-names.ts';
import { createShellRunner } from './shell-launcher.ts';
import { environmentForActions, type RunShell, whyFailed } from './shell-run.ts';

/** A failure about which the command is asked. */
export interface Failure {
  readonly address: Address;
  /** What the filter captured, by the lower-case names of its groups. */
  readonly fields: ReadonlyMap<string, string>;
  readonly matches: readonly string[];
  readonly timeMs: number;
}

/** `ignorecommand` of one jail: a command that ends with 0 for whom the jail spares. */
export interface IgnoreCommand {
  /**
   * Whether the failure does not count. One command at a time; the same question is asked once.
   *
   * Where the command fails, the failure counts, as in fail2ban. Where more than 1000 questions wait it does not: it may be about somebody who is to be
   * spared. Never rejects.
   */
  readonly ask: (failure: Failure) => Promise<boolean>;
  /** What still waits does not count. */
  readonly stop: () => void;
}

export interface IgnoreCommandSettings {
  readonly jail: string;
  readonly command: string;
  /** `ignorecache` as written. */
  readonly cache: string | undefined;
  readonly onTrouble: (why: string) => void;
  readonly nowMs?: () => number;
  readonly timeoutMs?: number;
  readonly maxWaiting?: number;
  readonly run?: RunShell;
  readonly names?: HostNames;
}

const defaultTimeoutMs = 60_000;
const defaultMaxWaiting = 1_000;
const ignored = 0;
const notIgnored = 1;

export function createIgnoreCommand({
  jail,
  command,
  cache,
  onTrouble,
  nowMs = Date.now,
  timeoutMs = defaultTimeoutMs,
  maxWaiting = defaultMaxWaiting,
  run = createShellRunner(environmentForActions(process.env)),
  names = createHostNames(),
}: IgnoreCommandSettings): IgnoreCommand {
  const ending = new AbortController();
  const pending = new Map<string, Promise<boolean>>();
  const settings = readCache(cache, onTrouble);
  const answers = settings === undefined ? undefined : createAnswerCache(settings, nowMs);
  let last: Promise<unknown> = Promise.resolve();
  let isFull = false;
  let compiled: Promise<ForeignCommand | undefined> | undefined;

  const compile = async (): Promise<ForeignCommand | undefined> => {
    const tags = new Map([
      ['br', '\n'],
      ['sp', ' '],
      ['fq-hostname', await names.full()],
      ['sh-hostname', names.short],
      ['name', jail],
    ]);
    const ready = compileForeignCommand(replaceParameters(command, tags, ''));
    const [refused] = ready.refused;
    if (refused === undefined) return ready;
    onTrouble(`not run: <${refused.tag}>: ${refused.why}`);
    return undefined;
  };

  const valuesOf = async (failure: Failure, asksForHost: boolean): Promise<(tag: string) => string> => {
    const host = asksForHost ? await names.nameOf(failure.address) : undefined;
    const ban = asBan(failure);
    return (tag) => tagValue(tag, { ban, family: familyTag(failure.address), nowMs: nowMs(), jail: nothingKnown, host });
  };

  const decide = async (ready: ForeignCommand, failure: Failure): Promise<boolean> => {
    if (ending.signal.aborted) return true;
    const asksForHost = ready.parts.some((part) => typeof part !== 'string' && part.tag === 'ip-host');
    const result = await run({ ...fillIn(ready, await valuesOf(failure, asksForHost)), timeoutMs, signal: ending.signal });
    if (ending.signal.aborted) return true;
    if (result.kind === 'exit' && (result.code === ignored || result.code === notIgnored)) return result.code === ignored;
    onTrouble(`${failure.address} counts: ${whyFailed(result, timeoutMs) ?? ''}`);
    return false;
  };

  const queue = async (key: string, step: () => Promise<boolean>): Promise<boolean> => {
    const known = pending.get(key);
    if (known !== undefined) return known;
    if (pending.size >= maxWaiting) {
      if (!isFull) onTrouble(`more than ${maxWaiting} addresses wait to be asked about: failures of further ones do not count`);
      isFull = true;
      return true;
    }
    const asked = last.then(step).finally(() => {
      pending.delete(key);
      if (pending.size <= maxWaiting / 2) isFull = false;
    });
    last = asked;
    pending.set(key, asked);
    return asked;
  };

  return {
    ask: async (failure) => {
      try {
        const ready = await (compiled ??= compile());
        if (ready === undefined) return false;
        const value = await valuesOf(failure, false);
        // What differs in nothing that the command sees is the same question.
        const key =
          settings === undefined
            ? JSON.stringify(fillIn(ready, value))
            : settings.key.replaceAll(/<([^ <>]+)>/g, (_, tag: string) => value(tag));
        const kept = answers?.get(key);
        if (kept !== undefined) return kept;
        return await queue(key, async () => {
          const answer = await decide(ready, failure);
          if (!ending.signal.aborted) answers?.set(key, answer);
          return answer;
        });
      } catch (error) {
        onTrouble(error instanceof Error ? error.message : String(error));
        return false;
      }
    },
    stop: () => ending.abort(),
  };
}

function readCache(written: string | undefined, onTrouble: (why: string) => void): CacheSettings | undefined {
  const settings = written === undefined || written.trim() === '' ? undefined : parseIgnoreCache(written);
  if (typeof settings !== 'string') return settings;
  onTrouble(`ignorecache: ${settings}; nothing is kept`);
  return undefined;
}

const nothingKnown: JailInfo = {
  bantimeMs: 0,
  counts: () => ({ banned: 0, bannedTotal: 0, found: 0, foundTotal: 0 }),
  history: () => undefined,
};

function asBan({ address, fields, matches, timeMs }: Failure): ActionBan {
  const subject = prefixOf(address, 128);
  return { address, subject, sinceMs: timeMs, untilMs: timeMs, failures: 1, count: 0, matches, fields, restored: false };
}
