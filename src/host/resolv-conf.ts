import { type Address, parseAddress } from '../model/address.ts';

/** The name servers of a resolv.conf(5). A zone (`fe80::1%eth0`) is left off: bans know none either. */
export function parseResolvers(text: string): readonly Address[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, server = ''] = line.trim().split(/\s+/);
    const address = keyword === 'nameserver' ? parseAddress(server.replace(/%.*$/, '')) : undefined;
    return address === undefined ? [] : [address];
  });
}
