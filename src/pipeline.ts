import type { JailCounts } from './daemon/jail-counts.ts';
import { banDurationMs } from './decide/bantime.ts';
import { eventTime } from './decide/event-time.ts';
import type { Decider } from './decide/decider.ts';
import type { Events } from './daemon/events.ts';
import type { Matcher } from './match/matcher.ts';
import { comesOtherwise, type OwnHost } from './match/own-way.ts';
import type { Prefix } from './model/address.ts';
import type { Ban, Decision, Jail, KernelChange } from './model/decision.ts';
import type { Detection } from './model/detection.ts';
import type { LogRecord } from './model/record.ts';
import type { SourceError } from './model/source.ts';

/** What a reload may change. */
export interface PipelineRules {
  readonly matcher: Matcher;
  /** undefined: every record counts, whichever way it came (replay). */
  readonly own: OwnHost | undefined;
  /** How far in the past a stamp without a zone is believed, ms. */
  readonly maxSkewMs: number;
  readonly jails: readonly Jail[];
}

export interface PipelineDeps {
  readonly decider: Decider;
  readonly events: Events;
  readonly counts: JailCounts;
  /** ms since the epoch. In replay the latest record time so far. */
  readonly nowMs: () => number;
  readonly mode: 'live' | 'replay';
  /** Bans changed: what the kernel must be told. `record`: what led to it. */
  readonly changed: (changes: readonly KernelChange[], record: LogRecord | undefined) => void;
  /** A ban began or ended, a real one or one that only would be: for what jails of fail2ban run. `detection`: what led to it. */
  readonly carriedOut?: (decision: BanDecision, detection: Detection | undefined) => void;
  /** Somebody failed whose ban is in force: perhaps it does not hold. */
  readonly cameAgain?: (jail: string, subject: Prefix) => void;
}

export type BanDecision = Decision & { readonly kind: 'ban' | 'unban' };

/** Joins the stages: one record is matched, counted and decided on before this returns. */
export interface Pipeline {
  /** @returns what was wrong with the record on the source's side; counted and said already */
  readonly handle: (record: LogRecord) => SourceError | undefined;
  /** The same from where it is known what was detected: jails in fail2ban's dialect. */
  readonly detected: (detections: readonly Detection[], record: LogRecord) => SourceError | undefined;
  readonly use: (rules: PipelineRules) => void;
  /** Says what was decided elsewhere (expiry, by hand, reload), and passes on what the kernel must know of it. */
  readonly announce: (decisions: readonly Decision[]) => void;
  /** Bans changed without a decision that says so: passes on what the kernel must know. */
  readonly changed: () => void;
}

export function createPipeline(
  { decider, events, counts, nowMs, mode, changed, carriedOut, cameAgain }: PipelineDeps,
  first: PipelineRules,
): Pipeline {
  let rules = first;
  let policies = byName(first.jails);

  const say = (decision: Decision, seen: Seen | undefined): boolean => {
    counts.decided(decision);
    switch (decision.kind) {
      case 'watch':
        if (seen !== undefined) events.failure(failureOf(decision, seen, policies.get(decision.jail)));
        return false;
      case 'ignore':
        events.ignored(decision.jail, decision.subject, decision.because, decision.detail);
        if (decision.because === 'banned') cameAgain?.(decision.jail, decision.subject);
        return false;
      case 'ban':
        if (seen !== undefined) events.failure(failureOf(decision, seen, policies.get(decision.jail)));
        events.banned(decision.ban, decision.address, decision.failures, hasGrown(decision.ban, policies.get(decision.jail)));
        carriedOut?.(
          decision,
          seen?.detections.find((each) => names(policies.get(decision.jail)?.filters, each)),
        );
        return true;
      case 'unban':
        events.unbanned(decision.ban, decision.because);
        carriedOut?.(decision, undefined);
        return true;
    }
  };

  const sayAll = (decisions: readonly Decision[], seen: Seen | undefined): void => {
    let bans = false;
    for (const decision of decisions) bans = say(decision, seen) || bans;
    if (bans) changed(decider.takeKernelChanges(nowMs()), seen?.record);
  };

  const detected = (detections: readonly Detection[], record: LogRecord): SourceError | undefined => {
    const now = nowMs();
    const { atMs, clamped } = eventTime(record, { nowMs: now, maxSkewMs: rules.maxSkewMs, mode });
    if (clamped === 'skew')
      events.sourceError(record.source, 'time', 'a stamp without a zone is further in the past than max_skew: receive time is used');
    for (const detection of detections) {
      events.matched(detection);
      counts.matched(detection);
    }
    const { source, text: line, trust, repeats: weight } = record;
    sayAll(decider.decide(detections, { atMs, nowMs: now, trust, weight, evidence: { source, line } }), { record, detections, atMs });
    return clamped === 'skew' ? 'time' : undefined;
  };

  return {
    use: (next) => {
      rules = next;
      policies = byName(next.jails);
    },
    announce: (decisions) => sayAll(decisions, undefined),
    changed: () => changed(decider.takeKernelChanges(nowMs()), undefined),
    handle: (record) => {
      if (rules.own !== undefined && comesOtherwise(record, rules.own)) {
        events.sourceError(
          record.source,
          'own_host',
          `lines of this host come by the ${rules.own.own} way (sources.own); here they are counted, not matched`,
        );
        return 'own_host';
      }
      const { detections, none, successes = [] } = rules.matcher.match(record);
      // Whom nobody vouches for cannot make bans stop either.
      if (record.trust === 'full') for (const address of successes) decider.breaker?.succeeded(address, nowMs());
      for (const each of none) events.unmatched(each);
      return detections.length === 0 ? undefined : detected(detections, record);
    },
    detected,
  };
}

/** What a decision was made on. */
interface Seen {
  readonly record: LogRecord;
  readonly detections: readonly Detection[];
  readonly atMs: number;
}

function failureOf(decision: Decision & { readonly kind: 'watch' | 'ban' }, { record, detections, atMs }: Seen, policy: Jail | undefined) {
  const { jail, subject, failures } = decision;
  // Two filters that recognise one record name the same client.
  const detection = (detections.length === 1 ? undefined : detections.find((each) => names(policy?.filters, each))) ?? detections[0];
  if (detection === undefined) throw new Error(`${jail} decided on a record in which nothing was detected`);
  return { jail, subject, failures, maxretry: policy?.maxretry ?? failures, detection, record, atMs };
}

/** Whether a return made it longer than a first one is. */
function hasGrown({ count, sinceMs, untilMs }: Ban, policy: Jail | undefined): boolean {
  return count > 1 && policy !== undefined && untilMs - sinceMs > banDurationMs(policy.bantime, 1);
}

function names(filters: readonly string[] | undefined, { filter, pattern }: Detection): boolean {
  return filters?.some((each) => each === filter || each === `${filter}/${pattern}`) ?? false;
}

function byName(jails: readonly Jail[]): ReadonlyMap<string, Jail> {
  return new Map(jails.map((jail) => [jail.name, jail]));
}
