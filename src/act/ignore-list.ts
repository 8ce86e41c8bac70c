import { lookup as lookUp } from 'node:dns/promises';
import { type Address, parseAddress } from '../model/address.ts';
import type { ForeignIgnoreEntry } from '../model/foreign-jail.ts';
import { type IgnoreFile, readIgnoreFile } from './ignore-file.ts';
import { createNetworkSet, type NetworkSet } from './network-set.ts';

/** `ignoreip` of one jail. */
export interface IgnoreList {
  /** Answers at once, from what is known. @returns what spares the address, as fail2ban's log says it: `ip`, `dns`, `file`; undefined: nothing */
  readonly covers: (address: Address) => 'ip' | 'dns' | 'file' | undefined;
  /** Resolves when every name has been asked for once, or 5 s after the beginning. */
  readonly ready: Promise<void>;
  /** Looks at what is due: files that have changed, names that were asked for five minutes ago. Done by itself every 5 s. */
  readonly refresh: () => Promise<void>;
  readonly stop: () => void;
}

export interface IgnoreListSettings {
  readonly nowMs: () => number;
  /** Said once for as long as it lasts. */
  readonly onTrouble: (why: string) => void;
  /** All addresses of a name; rejects if there are none, or nobody knows. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

const lookEveryMs = 5_000;
const namesEveryMs = 300_000;
/** Of all files together with the list itself. */
const maxNames = 1_000;
/** One name. */
const maxAddresses = 256;
const readyMs = 5_000;

interface Listed {
  readonly path: string;
  file: IgnoreFile | undefined;
  networks: NetworkSet;
}

/**
 * Files are read before this returns. Names are asked for one after the other, and never by whoever wants an answer of `covers`; where asking fails, the
 * addresses from before stay.
 */
export function createIgnoreList(
  entries: readonly ForeignIgnoreEntry[],
  { nowMs, onTrouble, resolve = resolveBySystem }: IgnoreListSettings,
): IgnoreList {
  const networks = createNetworkSet(entries.flatMap((entry) => (entry.kind === 'network' ? [entry.prefix] : [])));
  const files: Listed[] = entries.flatMap((entry) =>
    entry.kind === 'file' ? [{ path: entry.path, file: undefined, networks: createNetworkSet([]) }] : [],
  );
  const ownNames = entries.flatMap((entry) => (entry.kind === 'name' ? [entry.written] : []));
  const known = new Map<string, readonly Address[]>();
  let named: ReadonlySet<Address> = new Set();
  let namesAtMs = -Infinity;
  const troubles = new Map<string, string>();

  const trouble = (about: string, why: string | undefined): void => {
    if (why === undefined) troubles.delete(about);
    else if (troubles.get(about) !== why) {
      troubles.set(about, why);
      onTrouble(why);
    }
  };

  const readFiles = (): void => {
    for (const listed of files) {
      try {
        const read = readIgnoreFile(listed.path, listed.file?.state);
        trouble(listed.path, undefined);
        if (read === undefined) continue;
        if (read.names.some((name) => !known.has(name))) namesAtMs = -Infinity;
        listed.file = read;
        listed.networks = createNetworkSet(read.networks);
        const unknown = read.unknown.join(', ');
        trouble(
          `${listed.path} entries`,
          unknown === '' ? undefined : `ignoreip: ${listed.path}: neither an address nor a name: ${unknown}`,
        );
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        trouble(listed.path, `ignoreip: ${listed.path} cannot be read, what it said before holds: ${why}`);
      }
    }
  };

  const allNames = (): readonly string[] => {
    const names = [...new Set([...ownNames, ...files.flatMap(({ file }) => file?.names ?? [])])];
    trouble('names', names.length > maxNames ? `ignoreip: more than ${maxNames} names: the rest spares nobody` : undefined);
    return names.slice(0, maxNames);
  };

  const askNames = async (): Promise<void> => {
    namesAtMs = nowMs();
    const names = allNames();
    for (const name of known.keys()) if (!names.includes(name)) known.delete(name);
    for (const name of names) {
      if (stopped) return;
      try {
        const addresses = await resolve(name);
        known.set(
          name,
          addresses.slice(0, maxAddresses).flatMap((text) => parseAddress(text) ?? []),
        );
        trouble(`name ${name}`, undefined);
      } catch (error) {
        const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
        const before = known.get(name) === undefined ? 'it spares nobody' : 'its last addresses hold';
        trouble(`name ${name}`, `ignoreip: the name ${name} cannot be resolved (${why}): ${before}`);
      }
      named = new Set([...known.values()].flat());
    }
  };

  let stopped = false;
  let asking: Promise<void> | undefined;
  const refresh = async (): Promise<void> => {
    if (stopped) return;
    readFiles();
    if (nowMs() >= namesAtMs + namesEveryMs) asking ??= askNames().finally(() => (asking = undefined));
    await asking;
  };

  readFiles();
  const isFixed = files.length === 0 && ownNames.length === 0;
  const first = isFixed ? Promise.resolve() : refresh();
  const timer = isFixed ? undefined : setInterval(() => void refresh(), lookEveryMs).unref();
  return {
    covers: (address) => {
      if (networks.covers(address)) return 'ip';
      if (named.has(address)) return 'dns';
      return files.some((listed) => listed.networks.covers(address)) ? 'file' : undefined;
    },
    ready: Promise.race([first, atLatest(readyMs)]),
    refresh,
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function atLatest(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** As every program of this host does, /etc/hosts included. It takes one of few threads: one name at a time. */
async function resolveBySystem(name: string): Promise<readonly string[]> {
  const found = await lookUp(name, { all: true, order: 'verbatim' });
  return found.map(({ address }) => address);
}
