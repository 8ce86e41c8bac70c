import { type Family, familyOf } from '../model/address.ts';
import type { Ban, BanOrigin, IgnoreReason, UnbanReason } from '../model/decision.ts';
import type { JailNumbers } from './fail2ban-names.ts';
import type { Counter, Gauge, Group, Series } from './series.ts';

/**
 * The numbers of one jail.
 *
 * Bans that only would be (jails with `observe`, records of sources with low trust) have names of their own, so that `sluice_bans_total` is
 * what happened in the kernel: an alert on its rate stays quiet for a jail that is being tried.
 */
export interface JailMetrics {
  readonly failures: Counter;
  readonly ignored: Readonly<Record<IgnoreReason, Counter>>;
  /** A ban began, real or would-be: counted, and one more in force. */
  readonly banned: (ban: Pick<Ban, 'subject' | 'origin' | 'observe'>) => void;
  /** A ban came back from the store at start: one more in force, not counted as new. */
  readonly restored: (ban: Pick<Ban, 'subject' | 'observe'>) => void;
  /** A ban ended. A would-be ban leaves its gauge and is no unban. */
  readonly unbanned: (ban: Pick<Ban, 'subject' | 'observe'>, reason: UnbanReason) => void;
  /** Says outright how many bans are in force, where the caller has counted them. */
  readonly active: (count: Readonly<Record<Family, number>>, observe: boolean) => void;
  /** Subjects with an open window. */
  readonly trackedSubjects: Gauge;
  /** Subjects forgotten for want of room. */
  readonly evictions: Counter;
  /** The same as fail2ban counts: of bans only real ones; of failures also those of the banned. */
  readonly asFail2ban: () => JailNumbers;
}

const ignoreReasons: Record<IgnoreReason, true> = { protected: true, banned: true, stale: true, duplicate: true, breaker: true };
const unbanReasons: Record<UnbanReason, true> = { expired: true, manual: true, allowlist: true, evicted: true, jail_removed: true };
const origins: Record<BanOrigin, true> = { jail: true, manual: true, import: true };
const families: Record<Family, true> = { ipv4: true, ipv6: true };

/** @returns makes the series of one jail */
export function createJailSeries(series: Series): (jail: string, group: Group) => JailMetrics {
  const failures = series.counterFamily('sluice_jail_failures_total', 'Matches counted against a subject.');
  const ignored = series.counterFamily('sluice_jail_ignored_total', 'Matches that were not counted against a subject, by reason.');
  const bans = series.counterFamily('sluice_bans_total', 'Bans started, those that were only observed apart.');
  const unbans = series.counterFamily('sluice_unbans_total', 'Bans ended, by reason.');
  const active = series.gaugeFamily('sluice_active_bans', 'Bans in force.');
  const wouldBe = series.counterFamily('sluice_observed_bans_total', 'Bans that would have started (observe, or a source of low trust).');
  const activeWouldBe = series.gaugeFamily(
    'sluice_observed_active_bans',
    'Bans that would be in force (observe, or a source of low trust).',
  );
  const tracked = series.gaugeFamily('sluice_jail_tracked_subjects', 'Subjects with failures in the window.');
  const evictions = series.counterFamily('sluice_jail_evictions_total', 'Subjects forgotten for want of room.');

  return (jail, group) => {
    const labels = { jail };
    const started = group.counters(bans, 'origin', origins, labels);
    const ended = group.counters(unbans, 'reason', unbanReasons, labels);
    const wouldHaveStarted = group.counter(wouldBe, labels);
    const real = group.gauges(active, 'family', families, labels);
    const observed = group.gauges(activeWouldBe, 'family', families, labels);
    const gaugeOf = ({ subject, observe }: Pick<Ban, 'subject' | 'observe'>) => (observe ? observed : real)[familyOf(subject)];
    const failed = group.counter(failures, labels);
    const passedOver = group.counters(ignored, 'reason', ignoreReasons, labels);
    const trackedSubjects = group.gauge(tracked, labels);
    let restored = 0;
    return {
      failures: failed,
      ignored: passedOver,
      banned: (ban) => {
        (ban.observe ? wouldHaveStarted : started[ban.origin]).inc();
        gaugeOf(ban).inc();
      },
      restored: (ban) => {
        if (!ban.observe) restored++;
        gaugeOf(ban).inc();
      },
      unbanned: (ban, reason) => {
        if (!ban.observe) ended[reason].inc();
        gaugeOf(ban).inc(-1);
      },
      active: (count, observe) => {
        const gauges = observe ? observed : real;
        gauges.ipv4.set(count.ipv4);
        gauges.ipv6.set(count.ipv6);
      },
      trackedSubjects,
      evictions: group.counter(evictions, labels),
      asFail2ban: () => ({
        bannedNow: real.ipv4.value + real.ipv6.value,
        bannedTotal: started.jail.value + started.manual.value + started.import.value + restored,
        failedNow: trackedSubjects.value,
        failedTotal: failed.value + passedOver.banned.value,
      }),
    };
  };
}
