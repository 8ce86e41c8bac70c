import { hostname } from 'node:os';
import { Resolver } from 'node:dns/promises';
import type { Address } from '../model/address.ts';
import { isHostName } from './action-ban.ts';

/** Names that commands may ask for. */
export interface HostNames {
  /** This host's, `<sh-hostname>`. */
  readonly short: string;
  /** `<fq-hostname>`: the name with its domain, as `hostname -f` says it. */
  readonly full: () => Promise<string>;
  /** What DNS calls an address, `<ip-host>`; undefined: nothing, or not soon enough. Never rejects. */
  readonly nameOf: (address: Address) => Promise<string | undefined>;
}

const timeoutMs = 2_000;

/** @param servers of DNS; left out: those of this host */
export function createHostNames(servers?: readonly string[]): HostNames {
  const short = hostname();
  const resolver = new Resolver({ timeout: timeoutMs / 2, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  let full: Promise<string> | undefined;
  return {
    short,
    full: () => (full ??= readFull(short)),
    nameOf: async (address) => {
      const late = setTimeout(() => resolver.cancel(), timeoutMs);
      const [name] = await resolver.reverse(address).catch(() => []);
      clearTimeout(late);
      return name;
    },
  };
}

async function readFull(short: string): Promise<string> {
  const { execa } = await import('execa');
  const { stdout, failed } = await execa('hostname', ['-f'], {
    reject: false,
    timeout: timeoutMs,
    stdin: 'ignore',
    stderr: 'ignore',
    cleanup: false,
  });
  const name = stdout.trim();
  return !failed && isHostName(name) ? name : short;
}
