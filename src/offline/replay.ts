import { randomFillSync } from 'node:crypto';
import { exit } from '../cli/exit.ts';
import { formatLocal } from '../cli/moment.ts';
import type { ReplayOptions } from '../cli/options.ts';
import type { Config } from '../config/config.ts';
import { at } from '../control/instant.ts';
import { Decider } from '../decide/decider.ts';
import type { RecordFacts } from '../decide/record-counter.ts';
import { eventTime } from '../decide/event-time.ts';
import { formatDiagnostics, printable } from '../diagnostic.ts';
import { formatDuration } from '../duration.ts';
import { allJails, type Loaded, usedFilters } from '../loaded.ts';
import { journalLine } from '../match/fail2ban/journal-line.ts';
import { probeMachine } from '../daemon/machine.ts';
import { createMatcher } from '../match/matcher.ts';
import { formatSubject } from '../model/address.ts';
import type { Ban, Decision } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import type { LogRecord } from '../model/record.ts';
import { endOfLog, type LogPlace, placeOfLog, readLog, startOfLog } from '../receive/read-log.ts';
import { parseLine, recordOf } from './recognise.ts';
import { ReplayForeign, type ReplayFailure, type ReplayLine } from './replay-foreign.ts';
import { loadSetup } from '../setup.ts';

/**
 * `sluice replay`: the whole pipeline on old logs, with the logs' own clock, touching nothing. The never-banned list is that of the
 * configuration: who was logged in then is not known now.
 */
export async function replay({ logs, config: given, nowMs, json }: ReplayOptions): Promise<number> {
  const setup = await loadSetup(given, probeMachine);
  const { reading } = setup.loaded;
  if (setup.mistakes !== '' || reading.kind === 'mistakes') {
    process.stderr.write(`${setup.mistakes}\nsluice replay: the configuration cannot be used\n`);
    return exit.unusable;
  }
  const foreign = setup.foreign.jails;
  for (const { jail, diagnostics } of setup.foreign.disabled)
    process.stderr.write(`sluice replay: jail ${jail} is left out: ${formatDiagnostics(diagnostics, setup.foreign.texts)}\n`);
  const loaded = { config: { ...reading.config, jails: allJails({ config: reading.config, foreign }) }, filters: setup.rules.filters };
  const lanes = new ReplayForeign(foreign, nowMs ?? Date.now());
  const run = startReplay(loaded, lanes, (ban, address, failures) =>
    process.stdout.write(json ? `${JSON.stringify(banJson(ban, address, failures))}\n` : `${banText(ban, failures)}\n`),
  );
  let trouble = false;
  const complain = (why: string): void => {
    process.stderr.write(`sluice replay: ${printable(why)}\n`);
    trouble = true;
  };
  const places = logs.flatMap((name) => {
    const place = placeOfLog(name);
    if (place === undefined) complain(`${name}: there is no such file`);
    return place ?? [];
  });
  for (const { place, endMs } of await inOrder(places, nowMs)) {
    run.begin();
    const clock = { nowMs: endMs, timezone: 'local' };
    let batch: { readonly line: ReplayLine; readonly record: LogRecord | undefined }[] = [];
    const judge = (): void => {
      const found = lanes.judge(
        batch.map(({ line }) => line),
        endMs,
      );
      for (const [index, { line, record }] of batch.entries()) run.read(record, found[index] ?? [], line);
      batch = [];
    };
    const take = (line: ReplayLine, record: LogRecord | undefined): void => {
      batch.push({ line, record });
      if (batch.length >= batchLines) judge();
    };
    const why = await readLog(place, {
      line: (text) => {
        const message = parseLine(text, clock);
        take({ text, timeMs: undefined }, message === undefined ? undefined : recordOf(message, 'replay', run.nowMs()));
      },
      entry: ({ message, trusted, realtimeUs }) => {
        const record = recordOf(message, 'replay', run.nowMs());
        const { hostname, appName: identifier, procId: pid, text, stamp } = message;
        const line = journalLine({ hostname, identifier, pid, monotonicSeconds: undefined, message: text });
        take(
          { text: line, timeMs: stamp?.ms ?? realtimeUs / 1_000 },
          { ...record, trusted, origin: { kind: 'journal', cursor: '', realtimeMs: record.receivedMs } },
        );
      },
    });
    judge();
    if (why !== undefined) complain(why);
  }
  for (const name of lanes.givenUp)
    complain(`the expressions of the jail ${name} took too long over three lines: the rest was not looked at`);
  const { lines, matched, bans, addresses } = run.totals();
  if (json) process.stdout.write(`${JSON.stringify({ summary: { lines, matched, bans, addresses } })}\n`);
  else process.stdout.write(`${lines} lines, ${matched} offences, ${bans} bans of ${addresses} subjects\n`);
  return trouble ? exit.failed : exit.ok;
}

/** Oldest first, by the first stamp in each: `mail.log*` lists them the other way round. */
async function inOrder(
  places: readonly LogPlace[],
  nowMs: number | undefined,
): Promise<readonly { readonly place: LogPlace; readonly endMs: number }[]> {
  const dated = [];
  for (const place of places) {
    const endMs = nowMs ?? endOfLog(place) ?? Date.now();
    const firstMs = await startOfLog(place, (text) => parseLine(text, { nowMs: endMs, timezone: 'local' })?.stamp?.ms);
    dated.push({ place, endMs, firstMs: firstMs ?? endMs });
  }
  return dated.toSorted((a, b) => a.firstMs - b.firstMs);
}

/** So many lines are looked at together. */
const batchLines = 1_024;

type BanSeen = (ban: Ban, address: string, failures: number) => void;

interface Run {
  /** The latest time that the logs told so far; ms since the epoch. */
  readonly nowMs: () => number;
  /** Another file: its lines may be as old as those before. */
  readonly begin: () => void;
  /** @param record undefined: a line that is no log line */
  readonly read: (record: LogRecord | undefined, foreign: readonly ReplayFailure[], line: ReplayLine) => void;
  readonly totals: () => { readonly lines: number; readonly matched: number; readonly bans: number; readonly addresses: number };
}

/** How often bans and windows that are over are cleared away, ms of the logs' time. */
const clearEveryMs = 1_000;

function startReplay(loaded: Pick<Loaded, 'config' | 'filters'>, lanes: ReplayForeign, seen: BanSeen): Run {
  const { config } = loaded;
  const matcher = createMatcher(usedFilters(loaded));
  const decider = newDecider(config);
  const subjects = new Set<string>();
  let lines = 0;
  let matched = 0;
  let bans = 0;
  let nowMs = 0;
  let clearedMs = 0;
  const tell = (decision: Decision): void => {
    if (decision.kind !== 'ban') return;
    bans++;
    subjects.add(decision.subject);
    seen(decision.ban, decision.address, decision.failures);
    for (const { detection, timeMs } of lanes.heardOf(decision.ban, nowMs))
      decide([detection], { atMs: timeMs ?? nowMs, nowMs, trust: 'full', weight: 1, evidence: undefined });
  };
  const { maxSkewMs } = config.sources;
  const detectedIn = (record: LogRecord): readonly Detection[] => {
    const { atMs } = eventTime(record, { nowMs, maxSkewMs, mode: 'replay' });
    nowMs = Math.max(nowMs, atMs);
    return matcher.match(record).detections;
  };
  function decide(detections: readonly Detection[], facts: RecordFacts): void {
    for (const decision of decider.decide(detections, facts)) tell(decision);
  }
  return {
    nowMs: () => nowMs,
    begin: () => {
      nowMs = 0;
      clearedMs = 0;
    },
    totals: () => ({ lines, matched, bans, addresses: subjects.size }),
    read: (record, foreign, line) => {
      lines++;
      const native = record === undefined ? [] : detectedIn(record);
      if (native.length + foreign.length === 0) return;
      matched++;
      if (nowMs - clearedMs >= clearEveryMs) {
        decider.expire(nowMs);
        clearedMs = nowMs;
      }
      if (record !== undefined && native.length > 0) {
        const { atMs } = eventTime(record, { nowMs, maxSkewMs, mode: 'replay' });
        decide(native, { atMs, nowMs, trust: record.trust, weight: record.repeats, evidence: undefined });
      }
      for (const { detection, timeMs } of foreign) {
        const atMs = timeMs ?? line.timeMs ?? nowMs;
        nowMs = Math.max(nowMs, atMs);
        decide([detection], { atMs, nowMs, trust: 'full', weight: 1, evidence: undefined });
      }
    },
  };
}

function newDecider({ jails, limits, defaults, allowlist }: Config): Decider {
  const [seed0 = 0, seed1 = 0] = randomFillSync(new Uint32Array(2));
  const decider = new Decider(
    jails,
    { seed: [seed0, seed1], maxSubjects: limits.subjects, maxBans: 1_000_000, maxHistory: 1_000_000, evidenceBytes: 0 },
    { bantime: defaults.bantime, prefix: defaults.prefix },
  );
  decider.protect(
    allowlist.map(({ prefix, place: { file, line } }) => ({ prefix, reason: 'allowlist', detail: `${file}:${line}` })),
    0,
  );
  return decider;
}

function banJson({ jail, subject, sinceMs, untilMs, count, observe }: Ban, address: string, failures: number) {
  const until = untilMs === Infinity ? null : new Date(untilMs).toISOString();
  return { ban: { address, subject, jail, time: new Date(sinceMs).toISOString(), until, failures, count, observe } };
}

function banText({ jail, subject, sinceMs, untilMs, count, observe }: Ban, failures: number): string {
  const returned = count > 1 ? `, ban ${count}` : '';
  return `${formatLocal(at(sinceMs))}  ${formatSubject(subject)}  ${jail}${observe ? ' (observing)' : ''}  ${failures} failures  for ${formatDuration(untilMs - sinceMs)}${returned}`;
}
