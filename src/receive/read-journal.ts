import type { FrameBatch } from '../frame/framer.ts';
import { createEntryParser } from '../parse/journal-entry.ts';
import { type JournalPlace, findJournalctl, journalArgs, trustedFields } from './journalctl.ts';
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
  const parse = createEntryParser(trustedFields({ matches }));
  let failure: { readonly error: unknown } | undefined;
  const read = async ({ bytes, spans }: FrameBatch): Promise<void> => {
    for (let i = 1; i < spans.length; i += 2) {
      const parsed = parse(bytes, spans[i - 1] ?? 0, spans[i] ?? 0);
      if (parsed.kind === 'unparsed') continue;
      const taken = entry(parsed);
      if (taken !== undefined) await taken;
    }
  };
  const take = async (batches: readonly FrameBatch[]): Promise<void> => {
    try {
      if (failure === undefined) for (const batch of batches) await read(batch);
    } catch (error) {
      failure ??= { error };
      run.end();
    }
  };
  const run = await runJournalctl(journalctl, journalArgs(place, { matches, start: { kind: 'start' }, follow: false }), {
    entries: take,
    bytes: () => undefined,
    oversize: () => undefined,
    broken: () => undefined,
  });
  const { how, said } = await run.ended;
  if (failure !== undefined) throw failure.error;
  if (how !== 'exit code 0') throw new Error(`journalctl ended (${how}${said === '' ? '' : `: ${said}`})`);
}
