import type { Address } from '../model/address.ts';

/** Counts open connections, so that one peer cannot take the place of all others. */
export interface ConnectionLimit {
  /** @returns undefined: admitted, to be released once; else why not */
  readonly admit: (peer: Address) => string | undefined;
  readonly release: (peer: Address) => void;
  readonly open: () => number;
}

export function createConnectionLimit(max: { readonly connections: number; readonly perPeer: number }): ConnectionLimit {
  const perPeer = new Map<Address, number>();
  let open = 0;
  return {
    admit(peer) {
      const fromPeer = perPeer.get(peer) ?? 0;
      if (fromPeer >= max.perPeer) return `it has ${fromPeer} connections already`;
      if (open >= max.connections) return `there are ${open} connections already`;
      perPeer.set(peer, fromPeer + 1);
      open += 1;
      return undefined;
    },
    release(peer) {
      const fromPeer = perPeer.get(peer) ?? 0;
      if (fromPeer <= 1) perPeer.delete(peer);
      else perPeer.set(peer, fromPeer - 1);
      open -= 1;
    },
    open: () => open,
  };
}
