import type { Decider } from '../decide/decider.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Events } from './events.ts';
import type { JailCounts } from './jail-counts.ts';

/** What jails in fail2ban's dialect need of the rest. */
export interface ForeignDeps {
  readonly pipeline: Pipeline;
  readonly decider: Decider;
  readonly events: Events;
  readonly counts: JailCounts;
  readonly nowMs: () => number;
  /** false: nothing is enforced, so no commands are run either. */
  readonly acts: boolean;
  /** What Foreign.holds says has changed. */
  readonly held: () => void;
}
