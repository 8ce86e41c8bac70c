import type { Machine } from '../config/built-in.ts';
import { readableLogFiles } from '../config/load.ts';

/** What this user may do on this machine, for the built-in defaults. Runs journalctl and nft once each: some 20 ms. */
export async function probeMachine(): Promise<Machine> {
  // Loaded here: they bring execa, which costs 80 ms that `test` and `replay` with a configuration file need not pay.
  const [{ probeJournal }, { findJournalctl }, { probeNft, findNft }] = await Promise.all([
    import('../receive/journal-probe.ts'),
    import('../receive/journalctl.ts'),
    import('../enforce/nft-probe.ts'),
  ]);
  const [journal, nft] = await Promise.all([probeJournal(findJournalctl()), probeNft(findNft())]);
  return { journal: journal.readable, files: readableLogFiles(), nftables: nft.permitted };
}
