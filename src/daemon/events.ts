import { toBanEntry } from '../control/ban-entry.ts';
import type { DaemonEvent } from '../control/event.ts';
import type { EventFeed } from '../control/event-feed.ts';
import { at, atOrNever } from '../control/instant.ts';
import { formatDuration } from '../duration.ts';
import { localTime } from './local-time.ts';
import type { Level, Log } from './log.ts';
import type { Metrics } from '../metrics/registry.ts';
import { type Address, formatSubject, type Prefix } from '../model/address.ts';
import type { Ban, IgnoreReason, UnbanReason } from '../model/decision.ts';
import type { Detection, NoDetection } from '../model/detection.ts';
import { ownText } from '../model/own-text.ts';
import type { LogRecord } from '../model/record.ts';
import type { LostReason, SourceError } from '../model/source.ts';

/**
 * One function for each thing that happens: its log line, its counter and its entry in the feed together, so that the three agree.
 *
 * The words `[jail] Found`, `Ignore`, `Ban`, `Increase Ban`, `Unban`, `Restore Ban`, `already banned` are fail2ban's: other programs look for them.
 */
export interface Events {
  readonly matched: (detection: Detection) => void;
  readonly unmatched: (none: NoDetection) => void;
  readonly failure: (failure: FailureSeen) => void;
  readonly ignored: (jail: string, subject: Prefix, because: IgnoreReason, detail: string) => void;
  /** @param grown it lasts longer than a first one */
  readonly banned: (ban: Ban, address: Address | undefined, failures: number | undefined, grown?: boolean) => void;
  readonly restored: (ban: Ban) => void;
  readonly unbanned: (ban: Ban, because: UnbanReason) => void;
  readonly allowed: (prefix: Prefix, untilMs: number) => void;
  readonly sourceUp: (source: string, up: boolean, detail: string) => void;
  readonly sourceError: (source: string, reason: SourceError, detail: string) => void;
  readonly lost: (source: string, reason: LostReason, count: number, detail: string) => void;
  /** What concerns the daemon as a whole. */
  readonly notice: (level: Level, message: string) => void;
}

export interface FailureSeen {
  readonly jail: string;
  readonly subject: Prefix;
  readonly failures: number;
  readonly maxretry: number;
  readonly detection: Detection;
  readonly record: LogRecord;
  readonly atMs: number;
}

export interface EventsDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly feed: EventFeed;
  readonly nowMs: () => number;
}

/** How often the same mistake of the same source is said, ms: they come by the thousand. */
const sourceErrorEveryMs = 60_000;

export function createEvents({ log, metrics, feed, nowMs }: EventsDeps): Events {
  const publish = (event: DaemonEvent): void => feed.publish(event);
  const time = (): string => at(nowMs());
  const quiet = new Map<string, { untilMs: number; unsaid: number }>();

  return {
    matched: ({ filter, pattern, follows }) => {
      metrics.filter(filter).matched(pattern);
      if (follows) metrics.filter(filter).ignored.follows.inc();
    },
    unmatched: ({ kind, filter, pattern }) => {
      if (kind === 'no_address') metrics.filter(filter).matched(pattern);
      metrics.filter(filter).ignored[kind].inc();
    },
    failure: ({ jail, subject, failures, maxretry, detection, record, atMs }) => {
      metrics.jail(jail).failures.inc();
      const { filter, pattern, address } = detection;
      log('info', () => `[${jail}] Found ${address} - ${localTime(atMs)}`);
      const { source, text } = record;
      const shown = ownText(text.slice(0, shownCharacters));
      const now = nowMs();
      feed.publishLater('frequent', () => {
        const line = shown.toWellFormed(); // it may have been cut within a character
        return { time: at(now), kind: 'failure', jail, subject, address, failures, maxretry, source, filter, pattern, line };
      });
    },
    ignored: (jail, subject, because, detail) => {
      metrics.jail(jail).ignored[because].inc();
      if (because === 'protected') log('info', () => `[${jail}] Ignore ${formatSubject(subject)} by ${detail}`);
      const now = nowMs();
      feed.publishLater('frequent', () => ({ time: at(now), kind: 'ignored', jail, subject, because, detail }));
    },
    banned: (ban, address, failures, grown = false) => {
      metrics.jail(ban.jail).banned(ban);
      if (ban.observe) {
        const length = () => (ban.untilMs === Infinity ? 'for good' : `for ${formatDuration(ban.untilMs - ban.sinceMs)}`);
        log('notice', () => `[${ban.jail}] Would ban ${formatSubject(ban.subject)} ${length()}`);
      } else {
        log('notice', () => `[${ban.jail}] Ban ${formatSubject(ban.subject)}`);
        if (grown) log('notice', () => `[${ban.jail}] Increase Ban ${formatSubject(ban.subject)} (${ban.count} # ${spanOf(ban)})`);
      }
      const now = nowMs();
      feed.publishLater('rare', () => ({
        time: at(now),
        kind: 'ban',
        ban: toBanEntry(ban),
        address: address ?? null,
        failures: failures ?? null,
      }));
    },
    restored: (ban) => {
      metrics.jail(ban.jail).restored(ban);
      if (!ban.observe) log('info', () => `[${ban.jail}] Restore Ban ${formatSubject(ban.subject)}`);
    },
    unbanned: (ban, because) => {
      metrics.jail(ban.jail).unbanned(ban, because);
      const { jail, subject, observe } = ban;
      if (!observe) log('notice', () => `[${jail}] Unban ${formatSubject(subject)}`);
      const now = nowMs();
      feed.publishLater('rare', () => ({ time: at(now), kind: 'unban', jail, subject, because }));
    },
    allowed: (prefix, untilMs) => {
      log('notice', `allow ${formatSubject(prefix)}`);
      publish({ time: time(), kind: 'allow', prefix, until: atOrNever(untilMs) });
    },
    sourceUp: (source, up, detail) => {
      log(up ? 'notice' : 'warning', `source ${source}: ${up ? 'reading' : 'not read'}${detail === '' ? '' : `: ${detail}`}`);
      publish({ time: time(), kind: 'source', source, up, detail });
    },
    sourceError: (source, reason, detail) => {
      metrics.source(source).errors[reason].inc();
      // The reason is of a closed set and the source of the configuration, so this map stays small.
      const key = `${reason} ${source}`;
      const now = nowMs();
      const said = quiet.get(key);
      if (said !== undefined && now < said.untilMs) {
        said.unsaid++;
        return;
      }
      const before = said === undefined || said.unsaid === 0 ? '' : ` (and ${said.unsaid} more like it before)`;
      quiet.set(key, { untilMs: now + sourceErrorEveryMs, unsaid: 0 });
      log(reason === 'own_host' ? 'info' : 'warning', `source ${source}: ${reason}: ${detail}${before}`);
    },
    lost: (source, reason, count, detail) => {
      metrics.source(source).lost[reason].inc(count);
      log('warning', `source ${source}: lost ${count} records, ${reason}: ${detail}`);
      publish({ time: time(), kind: 'lost', source, count, detail });
    },
    notice: (level, message) => {
      log(level, message);
      publish({ time: time(), kind: 'notice', level: level === 'notice' ? 'info' : level, message });
    },
  };
}

/** How long and until when: `2h -> 2026-11-22 21:20:06`. */
function spanOf({ sinceMs, untilMs }: Ban): string {
  return untilMs === Infinity ? 'permanent -> infinite' : `${formatDuration(untilMs - sinceMs)} -> ${localTime(untilMs)}`;
}

/** How much of a line an event shows; a copy, so that the ring of events does not hold whole lines, let alone records. */
const shownCharacters = 512;
