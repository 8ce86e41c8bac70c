import type { DaemonEvent } from './event.ts';
import { at } from './instant.ts';

/** How an EventStream reaches its reader: `write` is false when the reader is behind, then `whenDrained` calls back once. */
export interface LineWriter {
  readonly write: (text: string) => boolean;
  readonly whenDrained: (callback: () => void) => void;
}

/**
 * Sends events to one reader, one JSON object a line. While the reader is behind, at most `capacity` events wait; what comes on top is
 * dropped, and the reader is told how many when it catches up. So a stopped terminal costs a bounded amount of memory and delays nobody.
 *
 * @param nowMs the clock, for the time of a `missed` event
 * @returns takes one event
 */
export function createEventStream(writer: LineWriter, capacity: number, nowMs: () => number): (event: DaemonEvent) => void {
  let waiting: DaemonEvent[] = [];
  let missed = 0;
  let behind = false;

  const send = (event: DaemonEvent): void => {
    if (writer.write(`${JSON.stringify(event)}\n`)) return;
    behind = true;
    writer.whenDrained(flush);
  };
  const flush = (): void => {
    behind = false;
    const batch = waiting;
    waiting = [];
    for (const [index, event] of batch.entries()) {
      send(event);
      if (!behind) continue;
      // What was dropped lies behind what waits, so the count keeps its place at the end.
      waiting = batch.slice(index + 1);
      return;
    }
    if (missed === 0) return;
    const count = missed;
    missed = 0;
    send({ kind: 'missed', time: at(nowMs()), count });
  };

  return (event) => {
    if (!behind) send(event);
    else if (missed === 0 && waiting.length < capacity) waiting.push(event);
    else missed++;
  };
}
