import type { Prefix } from '../model/address.ts';
import type { Ban, BanOrigin } from '../model/decision.ts';
import { at, atOrNever, type Instant } from './instant.ts';

/** One ban as replies and events show it: a Ban with instants instead of ms. */
export interface BanEntry {
  readonly jail: string;
  readonly subject: Prefix;
  readonly since: Instant;
  /** null: permanent. */
  readonly until: Instant | null;
  /** 1 for the first, 2 for a return, ... */
  readonly count: number;
  readonly origin: BanOrigin;
  readonly observe: boolean;
}

export function toBanEntry({ jail, subject, sinceMs, untilMs, count, origin, observe }: Ban): BanEntry {
  return { jail, subject, since: at(sinceMs), until: atOrNever(untilMs), count, origin, observe };
}
