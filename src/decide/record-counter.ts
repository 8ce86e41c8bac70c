import { type Address, familyOf, type Prefix } from '../model/address.ts';
import type { Decision } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import { formatProtection } from '../model/protection.ts';
import type { Trust } from '../model/record.ts';
import type { JailIndex } from './jail-index.ts';
import type { Ledger } from './ledger.ts';
import type { NeverBanned, Verdict } from './never-banned.ts';
import { newKey, readSubject, subjectOfAddress, wholeAddress } from './subject-key.ts';

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
      const { filter, pattern } = detection;
      for (const [subject, jails] of counted)
        parts.ledger.evidence.add(subject, { atMs: record.atMs, ...record.evidence, filter, pattern, jails });
    }
    return out;
  }

  /** @returns the jails in which it counted, by subject; undefined: in none, or nobody wants to know. */
  #countDetection(
    { filter, pattern, address, follows, length: named }: Detection,
    { atMs, nowMs, weight, evidence }: RecordFacts,
    { index, neverBanned, ledger }: { readonly index: JailIndex; readonly neverBanned: NeverBanned; readonly ledger: Ledger },
    out: Decision[],
  ): Map<Prefix, string[]> | undefined {
    const family = familyOf(address);
    let counted: Map<Prefix, string[]> | undefined;
    // Most jails ban with the same prefix length: work out the subject once.
    let length = -1;
    let judged: { readonly verdict: Verdict; readonly subject: Prefix } | undefined;
    for (const slot of index.of(filter, pattern)) {
      const { jail, lane } = slot;
      const wanted = named ?? jail.prefix[family];
      if (judged === undefined || length !== wanted) {
        length = wanted;
        judged = this.#judge(address, length, neverBanned);
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
        counted ??= new Map();
        const jails = counted.get(subject);
        if (jails === undefined) counted.set(subject, [jail.name]);
        else jails.push(jail.name);
      }
    }
    return counted;
  }

  /** Leaves the subject in #key. */
  #judge(address: Address, length: number, neverBanned: NeverBanned): { readonly verdict: Verdict; readonly subject: Prefix } {
    const verdict = neverBanned.verdict(address, length);
    readSubject(this.#key, address, verdict.kind === 'free' ? length : wholeAddress);
    return { verdict, subject: subjectOfAddress(this.#key, address) };
  }
}
