import { editOf, type Entry } from './change-queue.ts';
import type { Layout } from './layout.ts';
import { type Edit, type ElementScript, elementScript } from './nft-script.ts';

/** One transaction, as nft will read it. */
export interface Prepared {
  readonly batch: readonly Entry[];
  /** Of the batch, those that are written, in the order of the script's edits. */
  readonly entries: readonly Entry[];
  /** Of the batch, those that need not be written any more. */
  readonly over: readonly Entry[];
  readonly script: ElementScript;
  readonly nowMs: number;
}

export function prepare(batch: readonly Entry[], nowMs: number, layout: Layout): Prepared {
  const entries: Entry[] = [];
  const edits: Edit[] = [];
  const over: Entry[] = [];
  for (const entry of batch) {
    const edit = editOf(entry, nowMs, layout);
    if (edit === undefined) over.push(entry);
    else if (entries.push(entry) > 0) edits.push(edit);
  }
  return { batch, entries, over, script: elementScript(edits), nowMs };
}
