import { type Listing, listingArgs, parseListing, staleIn } from './kernel-listing.ts';
import type { Layout } from './layout.ts';
import type { NftChild, Ran } from './nft-child.ts';
import { type NftProblem, readNftError } from './nft-error.ts';
import { ensureScript, nothingStale, shapeOf, type Stale } from './nft-script.ts';

/** A larger listing is other people's rules by the hundred thousand; ours is some 20 KB. */
const maxListingBytes = 32 * 1_024 * 1_024;

export type Listed =
  | { readonly kind: 'listing'; readonly listing: Listing }
  /** This nft was built without JSON: what others do to the table is noticed only when a ban is refused. */
  | { readonly kind: 'mute' }
  | { readonly kind: 'problem'; readonly problem: NftProblem };

/** What nft did, in one vocabulary. @returns undefined if it did what it was told */
export function problemOf(ran: Ran): NftProblem | undefined {
  switch (ran.kind) {
    case 'exit':
      return ran.code === 0 ? undefined : readNftError(ran.code, ran.stderr);
    case 'timeout':
      return { kind: 'timeout', line: undefined, text: `nft did not end within ${(ran.tookMs / 1_000).toFixed(1)} s` };
    case 'gone':
      return { kind: 'timeout', line: undefined, text: ran.why };
  }
}

/** Shows our table without its elements. */
export async function listTable(child: NftChild): Promise<Listed> {
  const ran = await child.run({ program: 'nft', args: listingArgs, maxOutputBytes: maxListingBytes });
  const problem = problemOf(ran);
  if (problem !== undefined) return /JSON/.test(problem.text) ? { kind: 'mute' } : { kind: 'problem', problem };
  const listing = ran.kind === 'exit' ? parseListing(ran.stdout) : undefined;
  return listing === undefined ? { kind: 'mute' } : { kind: 'listing', listing };
}

export type Ensured =
  /** `emptied`: sets that hold nothing now, because they are new, or made anew; all of them where that could not be seen. */
  { readonly kind: 'ensured'; readonly emptied: ReadonlySet<string> } | { readonly kind: 'problem'; readonly problem: NftProblem };

/** Our table in the kernel, without the elements of the ban sets. */
export interface KernelTable {
  /** Makes the table as the layout says; what the kept sets hold stays. Removes what the layout does not name. `wrote`: after each transaction. */
  readonly ensure: (layout: Layout, wrote: (ran: Ran) => void) => Promise<Ensured>;
  /** Sets that were made anew by somebody since `ensure`, so that they have lost their elements. */
  readonly renewed: (listing: Listing) => string[];
}

/** @param setSize elements that one set takes */
export function createKernelTable(child: NftChild, setSize: number): KernelTable {
  let handles: ReadonlyMap<string, string> | undefined;
  let made = false;
  return {
    ensure: async (layout, wrote) => {
      const write = async (stale: Stale, fresh: boolean): Promise<NftProblem | undefined> => {
        const ran = await child.run({ program: 'nft', args: ['-f', '-'], input: ensureScript(layout, setSize, stale, fresh) });
        wrote(ran);
        return problemOf(ran);
      };
      const before = await listTable(child);
      if (before.kind === 'problem') return before;
      if (before.kind === 'listing' && made) handles ??= before.listing.sets;
      const stale = before.kind === 'listing' ? staleIn(shapeOf(layout), before.listing) : nothingStale;
      let problem = await write(stale, false);
      // Somebody's own rule looks into a set that should go: leave it.
      if (problem?.kind === 'busy') problem = await write(nothingStale, false);
      // A definition that nft cannot change. Begin again: one transaction, and if that is refused too, what is there stays.
      if (problem !== undefined && definitions.has(problem.kind)) problem = await write(nothingStale, true);
      if (problem !== undefined) return { kind: 'problem', problem };
      const all = { kind: 'ensured', emptied: new Set(shapeOf(layout).sets.keys()) } as const;
      // At a start everything is written, whatever is there: the next look sees which sets these are.
      if (!made) {
        made = true;
        return all;
      }
      const after = await listTable(child);
      if (after.kind === 'problem') return after;
      // Nobody can tell: everything is written again.
      if (after.kind === 'mute') return all;
      const known = handles;
      handles = after.listing.sets;
      return {
        kind: 'ensured',
        emptied: new Set([...handles].filter(([name, handle]) => known?.get(name) !== handle).map(([name]) => name)),
      };
    },
    renewed: ({ sets }) => {
      handles ??= sets;
      return [...handles].filter(([name, handle]) => sets.has(name) && sets.get(name) !== handle).map(([name]) => name);
    },
  };
}

const definitions: ReadonlySet<NftProblem['kind']> = new Set(['changed', 'element', 'other']);
