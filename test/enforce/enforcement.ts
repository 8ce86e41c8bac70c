import { EventEmitter, once } from 'node:events';
import { parsePrefix, type Prefix } from '../../src/model/address.ts';
import type { KernelChange } from '../../src/model/decision.ts';
import type { Ports } from '../../src/model/filter.ts';
import { createEnforcer, type Enforcer, type EnforcerOptions } from '../../src/enforce/enforcer.ts';
import type { Drift } from '../../src/enforce/kernel-listing.ts';
import type { Namespace, NetworkPair } from '../support/netns.ts';

export const all: Ports = { kind: 'all' };
export const mail: Ports = { kind: 'list', protocol: 'tcp', ports: [25, 465, 587] };

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
}

export type Put = Extract<KernelChange, { kind: 'put' }>;

export function put(subject: string, options: { ports?: Ports; seconds?: number; mayExist?: boolean } = {}): Put {
  const { ports = all, seconds = 3_600, mayExist = false } = options;
  return { kind: 'put', ports, subject: prefix(subject), untilMs: Date.now() + seconds * 1_000, mayExist };
}

export function remove(subject: string, ports: Ports = all): KernelChange {
  return { kind: 'remove', ports, subject: prefix(subject) };
}

interface Seen {
  committed: [changes: readonly KernelChange[], tookMs: number];
  transaction: [result: string, tookMs: number, elements: number];
  restored: [elements: number, tookMs: number];
  refused: [change: KernelChange, why: string];
  full: [set: string, waiting: number];
  up: [up: boolean, why: string];
  drift: [found: readonly Drift[]];
}

/** An enforcer in a namespace, with the state that it is asked for and everything that it says. */
export interface Enforcement {
  readonly enforcer: Enforcer;
  /** What the decisions hold; `apply` keeps it. */
  readonly state: Map<string, KernelChange>;
  readonly apply: (...changes: KernelChange[]) => void;
  readonly said: { readonly [K in keyof Seen]: Seen[K][] };
  readonly next: <K extends keyof Seen>(event: K) => Promise<Seen[K]>;
}

export function enforceIn(pair: NetworkPair, host: Namespace, options: Partial<EnforcerOptions> = {}): Enforcement {
  const state = new Map<string, KernelChange>();
  const said: Enforcement['said'] = { committed: [], transaction: [], restored: [], refused: [], full: [], up: [], drift: [] };
  const events = new EventEmitter<Seen>();
  const enforcer = createEnforcer(
    { nft: host.wrapper('nft'), directory: pair.directory, currentState: () => state.values(), ...options },
    {
      committed: (...args) => (said.committed.push(args), events.emit('committed', ...args)),
      transaction: (...args) => (said.transaction.push(args), events.emit('transaction', ...args)),
      restored: (...args) => (said.restored.push(args), events.emit('restored', ...args)),
      refused: (...args) => (said.refused.push(args), events.emit('refused', ...args)),
      full: (...args) => (said.full.push(args), events.emit('full', ...args)),
      up: (...args) => (said.up.push(args), events.emit('up', ...args)),
      drift: (...args) => (said.drift.push(args), events.emit('drift', ...args)),
    },
  );
  pair.atEnd(() => void enforcer.stop());
  return {
    enforcer,
    state,
    said,
    apply: (...changes) => {
      for (const change of changes) {
        const key = `${JSON.stringify(change.ports)} ${change.subject}`;
        if (change.kind === 'put') state.set(key, change);
        else state.delete(key);
      }
      enforcer.apply(changes);
    },
    next: async (event) => (await once(events, event)) as Seen[typeof event],
  };
}
