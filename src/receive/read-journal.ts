import { parseJournalEntry } from '../parse/journal-entry.ts';
import { type JournalPlace, fieldNames, findJournalctl, journalArgs } from './journalctl.ts';
import { runJournalctl } from './journalctl-run.ts';
import { probeJournal } from './journal-probe.ts';
import type { RegionReader } from './region-reader.ts';

/** All entries that fit the matches, to the end. @throws if the journal cannot be read, and what the reader throws */
export async function readJournal(
  matches: readonly (readonly string[])[],
  place: JournalPlace,
  { entry }: Pick<RegionReader, 'entry'>,
): Promise<void> {
  const journalctl = findJournalctl();
  const probe = await probeJournal(journalctl, place);
  if (!probe.readable) throw new Error(`${probe.why}: ${probe.mend}`);
  if (journalctl === undefined) return; // cannot be: the probe has said so
  const { trusted } = fieldNames(matches);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure = { error };
    run.end();
  };
  const run = runJournalctl(journalctl, journalArgs(place, { matches, start: { kind: 'start' }, follow: false }), {
    line: (line) => {
      const parsed = parseJournalEntry(line, trusted);
      if (parsed.kind === 'unparsed' || failure !== undefined) return;
      try {
        const taken = entry(parsed);
        if (taken === undefined) return;
        run.pause();
        taken.then(run.resume, fail);
      } catch (error) {
        fail(error); // thrown from here it would end the process
      }
    },
    bytes: () => undefined,
    oversize: () => undefined,
  });
  const { how, said } = await run.ended;
  if (failure !== undefined) throw failure.error;
  if (how !== 'exit code 0') throw new Error(`journalctl ended (${how}${said === '' ? '' : `: ${said}`})`);
}
