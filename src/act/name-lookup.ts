import { Resolver } from 'node:dns/promises';
import { type Address, parseAddress } from '../model/address.ts';
import { isHostName } from './action-ban.ts';

/** For jails that say `usedns = yes`: a name found in the log is looked up, and all its addresses count. Whoever owns the name chooses them. */
export interface NameLookup {
  /** Both families; none for what is no host's name, for a name without addresses, and when it takes longer than 2 s. Never rejects. */
  readonly lookup: (name: string) => Promise<readonly Address[]>;
  readonly stop: () => void;
}

export interface NameLookupSettings {
  readonly nowMs: () => number;
  /** Servers to ask, `192.0.2.1:53`; left out: those of this host. */
  readonly servers?: readonly string[];
  /** A name for which there was no room: so many wait already. */
  readonly onDropped?: (name: string) => void;
}

const timeoutMs = 2_000;
const keptMs = 300_000;
/** Nobody answered: it is asked again sooner. */
const failedMs = 60_000;
const maxKept = 10_000;
const maxPending = 100;
/** Of one name: nobody shall have a thousand others banned by one line. */
const maxAddresses = 16;

export function createNameLookup({ nowMs, servers, onDropped }: NameLookupSettings): NameLookup {
  const resolver = new Resolver({ timeout: timeoutMs / 2, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const kept = new Map<string, { readonly addresses: readonly Address[]; readonly untilMs: number }>();
  const pending = new Map<string, Promise<readonly Address[]>>();

  const ask = async (name: string): Promise<readonly Address[]> => {
    // With the dot, no domain of this host is tried behind it.
    const [four, six] = await Promise.all([settled(resolver.resolve4(`${name}.`)), settled(resolver.resolve6(`${name}.`))]);
    const found = [...(four ?? []), ...(six ?? [])].flatMap((text) => parseAddress(text) ?? []);
    const addresses = [...new Set(found)].slice(0, maxAddresses);
    const [oldest] = kept.keys();
    if (kept.size >= maxKept && oldest !== undefined) kept.delete(oldest);
    kept.set(name, { addresses, untilMs: nowMs() + (four === undefined || six === undefined ? failedMs : keptMs) });
    return addresses;
  };

  return {
    lookup: async (written) => {
      const name = written.toLowerCase().replace(/\.$/, '');
      if (!isHostName(name) || !/[a-z]/.test(name)) return [];
      const known = kept.get(name);
      if (known !== undefined && nowMs() < known.untilMs) return known.addresses;
      kept.delete(name);
      if (!pending.has(name)) {
        if (pending.size >= maxPending) {
          onDropped?.(name);
          return [];
        }
        pending.set(
          name,
          ask(name).then((addresses) => {
            pending.delete(name);
            return addresses;
          }),
        );
      }
      return Promise.race([pending.get(name) ?? [], noneAfter(timeoutMs)]);
    },
    stop: () => resolver.cancel(),
  };
}

/** @returns undefined if nobody answered; no addresses where the answer is that there are none */
async function settled(asked: Promise<readonly string[]>): Promise<readonly string[] | undefined> {
  return asked.catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return code === 'ENODATA' || code === 'ENOTFOUND' ? [] : undefined;
  });
}

async function noneAfter(ms: number): Promise<readonly Address[]> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, []).unref();
  });
}
