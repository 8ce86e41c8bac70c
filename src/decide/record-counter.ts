import { familyOf, type Prefix } from '../model/address.ts';
import type { Decision } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import { formatProtection } from '../model/protection.ts';
import type { Trust } from '../model/record.ts';
import type { JailIndex } from './jail-index.ts';
import { type Judgement, Judgements } from './judgements.ts';
import type { Ledger } from './ledger.ts';
import type { NeverBanned } from './never-banned.ts';
import { copyKey, newKey } from './subject-key.ts';

/** What must be known of the record in which something was detected. */
export interface RecordFacts {
  /** The record's time (eventTime), ms since the epoch. */
  readonly atMs: number;
  /** The clock. In replay the latest record time so far. */
  readonly nowMs: number;
  readonly trust: Trust;
  /** How many failures the record stands for: `message repeated n times`. At least 1. */
  readonly weight: number;
  /** For `explain`. undefined: keep no evidence. */
  readonly evidence: { readonly source: string; readonly line: string } | undefined;
}

/** Counts the detections of one record in the jails that they concern. */
export class RecordCounter {
  readonly #judgements = new Judgements();
  readonly #key = newKey();
  /** Per lane, the number of the record that counted last in it: a record is at most one failure in a jail. */
  readonly #countedIn: number[] = [];
  #record = 0;

  /** @param parts what is in force for this record; `ledger` is that of the record's trust */
  count(
    detections: readonly Detection[],
    record: RecordFacts,
    parts: { readonly index: JailIndex; readonly neverBanned: NeverBanned; readonly ledger: Ledger },
  ): Decision[] {
    const out: Decision[] = [];
    this.#record++;
    for (const detection of detections) {
      const counted = this.#countDetection(detection, record, parts, out);
      if (record.evidence === undefined || counted === undefined) continue;
      const { atMs, evidence } = record;
      const { source, line } = evidence;
      const { filter, pattern } = detection;
      for (const { subject, jails } of counted) parts.ledger.evidence.add(subject, { atMs, source, filter, pattern, line, jails });
    }
    return out;
  }

  /** @returns where it counted; undefined: nowhere, or nobody wants to know. */
  #countDetection(
    { filter, pattern, address, follows, length: named }: Detection,
    { atMs, nowMs, weight, evidence }: RecordFacts,
    { index, neverBanned, ledger }: { readonly index: JailIndex; readonly neverBanned: NeverBanned; readonly ledger: Ledger },
    out: Decision[],
  ): readonly Counted[] | undefined {
    const family = familyOf(address);
    let counted: Counted[] | undefined;
    // Most jails ban with the same prefix length: work out the subject once.
    let length = -1;
    let judged: Judgement | undefined;
    for (const slot of index.of(filter, pattern)) {
      const { jail, lane } = slot;
      const wanted = named ?? jail.prefix[family];
      if (judged === undefined || length !== wanted) {
        length = wanted;
        judged = this.#judgements.judge(address, length, neverBanned);
        copyKey(this.#key, judged.key);
      }
      const { verdict, subject } = judged;
      if (verdict.kind === 'protected') {
        out.push({ kind: 'ignore', jail: jail.name, subject, because: 'protected', detail: formatProtection(verdict.because) });
      } else if (follows) {
        out.push({ kind: 'ignore', jail: jail.name, subject, because: 'duplicate', detail: 'tells of an event that was counted already' });
      } else if (this.#countedIn[lane] === this.#record) {
        out.push({ kind: 'ignore', jail: jail.name, subject, because: 'duplicate', detail: 'this record was counted already' });
      } else {
        this.#countedIn[lane] = this.#record;
        if (ledger.count(this.#key, slot, { subject, address, atMs, nowMs, weight }, out) === 'ignored' || evidence === undefined) continue;
        counted ??= [];
        // Nearly always one: jails that ban prefixes of other lengths have other subjects.
        const same = counted.find((each) => each.subject === subject);
        if (same === undefined) counted.push({ subject, jails: [jail.name] });
        else same.jails.push(jail.name);
      }
    }
    return counted;
  }
}

/** The jails in which a detection counted against a subject. */
interface Counted {
  readonly subject: Prefix;
  readonly jails: string[];
}
