import type { LogRecord } from '../../src/model/record.ts';
import type { LostReason, Sink, SourceError } from '../../src/model/source.ts';

/** A sink that keeps everything, and can be waited for. */
export interface RecordedSink extends Sink {
  readonly records: readonly LogRecord[];
  readonly errors: readonly { readonly reason: SourceError; readonly detail: string }[];
  readonly losses: readonly { readonly reason: LostReason; readonly count: number; readonly detail: string }[];
  readonly ups: readonly { readonly up: boolean; readonly detail: string }[];
  readonly texts: () => readonly string[];
  /** Physical records and bytes. */
  readonly total: () => { readonly records: number; readonly bytes: number };
  /** Resolves as soon as it holds: asked now and after everything the sink hears. */
  readonly until: (holds: (sink: RecordedSink) => boolean) => Promise<void>;
}

/** @param onRecord called inside `record`, as the owner's work would be */
export function recordedSink(onRecord?: (record: LogRecord) => void): RecordedSink {
  const records: LogRecord[] = [];
  const errors: { reason: SourceError; detail: string }[] = [];
  const losses: { reason: LostReason; count: number; detail: string }[] = [];
  const ups: { up: boolean; detail: string }[] = [];
  const waiting = new Set<() => void>();
  let readRecords = 0;
  let readBytes = 0;
  const heard = (): void => {
    for (const look of waiting) look();
  };

  const sink: RecordedSink = {
    records,
    errors,
    losses,
    ups,
    texts: () => records.map((record) => record.text),
    total: () => ({ records: readRecords, bytes: readBytes }),
    until: (holds) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!holds(sink)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    record: (record) => {
      records.push(record);
      onRecord?.(record);
      heard();
    },
    read: (count, bytes) => {
      readRecords += count;
      readBytes += bytes;
      heard();
    },
    error: (reason, detail) => {
      errors.push({ reason, detail });
      heard();
    },
    lost: (reason, count, detail) => {
      losses.push({ reason, count, detail });
      heard();
    },
    up: (up, detail) => {
      ups.push({ up, detail });
      heard();
    },
    connections: heard,
  };
  return sink;
}
