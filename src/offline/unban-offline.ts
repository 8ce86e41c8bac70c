import { existsSync } from 'node:fs';
import { exit } from '../cli/exit.ts';
import type { UnbanOfflineOptions } from '../cli/options.ts';
import type { Config } from '../config/config.ts';
import { socketCandidates, statePath } from '../config/paths.ts';
import { createClient } from '../control/client.ts';
import type { UnbanReply } from '../control/protocol.ts';
import { NotReachableError } from '../control/unreachable.ts';
import { problemOf } from '../enforce/kernel-table.ts';
import { adviceFor } from '../enforce/nft-advice.ts';
import { startNftChild } from '../enforce/nft-child.ts';
import { findNft } from '../enforce/nft-probe.ts';
import { removeScript, tableName } from '../enforce/nft-script.ts';
import { probeMachine } from '../daemon/machine.ts';
import { loadSetup } from '../setup.ts';
import { openStore } from '../store/store.ts';

/** What one part of the work came to. `failed`: it must be done in another way, `text` says how. */
interface Part {
  readonly outcome: 'done' | 'nothing' | 'failed';
  readonly text: string;
}

type Lifted = UnbanReply['results'][number]['lifted'];

/**
 * `sluice unban --all --offline`: removes our table from the kernel, then the bans from the store, so that the next start does not put
 * them back. The kernel comes first and needs no configuration: whoever types this wants packets to pass.
 *
 * @returns exit code: 1 also if a daemon runs, which would make the table again; 5 if there was nothing; 78 if the configuration, which
 *   names the store, cannot be used
 */
export async function unbanOffline({ config: given, json }: UnbanOfflineOptions): Promise<number> {
  const read = await readConfig(given);
  const inForce = 'config' in read ? read.config : undefined;
  const who = { uid: process.getuid?.() ?? 0, env: process.env };
  const sockets = new Set([...(inForce === undefined ? [] : [inForce.control.socket]), ...socketCandidates(who, undefined)]);
  const running = await findRunning([...sockets]);
  if (running !== undefined) {
    process.stderr.write(`sluice unban: ${running}\n`);
    return exit.failed;
  }

  const table = await removeTable();
  const { lifted, count, ...store } = forgetBans(inForce?.state.path ?? statePath(who), Date.now());
  const results: UnbanReply['results'] = [{ target: 'all', count, lifted }];
  if (json)
    process.stdout.write(`${JSON.stringify({ results, table: table.outcome === 'done' ? 'removed' : table.outcome }, undefined, 2)}\n`);
  for (const { outcome, text } of [table, store]) {
    if (outcome === 'failed') process.stderr.write(`sluice unban: ${text}\n`);
    else if (!json) (outcome === 'done' ? process.stdout : process.stderr).write(`${text}\n`);
  }
  if ('mistakes' in read) {
    process.stderr.write(
      `${read.mistakes}\nsluice unban: the configuration cannot be used, so it is not known where the daemon keeps its bans: what is said of the ` +
        'store is about the default place. Mend it (sluice check) and say this again, or bans kept elsewhere come back with the next start.\n',
    );
    return exit.unusable;
  }
  const outcomes = [table.outcome, store.outcome];
  if (outcomes.includes('failed')) return exit.failed;
  return outcomes.includes('done') ? exit.ok : exit.nothing;
}

/** Even rules that cannot be read at all must not stand in the way. */
async function readConfig(given: string | undefined): Promise<{ readonly config: Config } | { readonly mistakes: string }> {
  try {
    const { loaded, mistakes } = await loadSetup(given, probeMachine);
    return loaded.reading.kind === 'config' ? { config: loaded.reading.config } : { mistakes };
  } catch (error) {
    return { mistakes: error instanceof Error ? error.message : String(error) };
  }
}

/** @returns what to tell if somebody answers on one of the sockets, or holds it without answering */
async function findRunning(sockets: readonly string[]): Promise<string | undefined> {
  try {
    await createClient(sockets).get('/v1/ping');
    return 'the daemon runs, and would put its bans back. Ask it: sluice unban --all. Or stop it first: systemctl stop sluice';
  } catch (error) {
    if (error instanceof NotReachableError) return undefined;
    return `something holds the control socket: ${error instanceof Error ? error.message : String(error)} Stop it first: systemctl stop sluice`;
  }
}

const nftTimeoutMs = 30_000;

async function removeTable(): Promise<Part> {
  const nft = findNft();
  if (nft === undefined) return { outcome: 'nothing', text: 'nft is not installed, so nothing is banned in the kernel' };
  const child = startNftChild({ nft, timeoutMs: nftTimeoutMs });
  const problem = problemOf(await child.run({ program: 'nft', args: ['-f', '-'], input: removeScript() }));
  await child.stop();
  if (problem === undefined)
    return { outcome: 'done', text: `removed table inet ${tableName} from the kernel: nobody is kept out any longer` };
  if (problem.kind === 'missing') return { outcome: 'nothing', text: `there is no table inet ${tableName} in the kernel` };
  const advice = problem.kind === 'denied' ? 'As root: sudo sluice unban --all --offline' : adviceFor(problem.kind);
  return { outcome: 'failed', text: `cannot remove table inet ${tableName}: ${problem.text}. ${advice}` };
}

/** As `unban` of the daemon does: bans end now, windows are forgotten, history stays, so that the next ban is a return. */
function forgetBans(path: string, nowMs: number): Part & { readonly count: number; readonly lifted: Lifted } {
  const none = { count: 0, lifted: [] };
  if (!existsSync(path)) return { ...none, outcome: 'nothing', text: `there is no store at ${path}` };
  const store = openStore(path, nowMs);
  try {
    if (store.trouble !== undefined) return { ...none, outcome: 'failed', text: store.trouble };
    const { bans, windows } = store.load();
    store.commit({
      bans: bans.map(({ jail, subject }) => ({ jail, subject, ban: undefined })),
      past: bans.map(({ jail, subject, count }) => ({ jail, subject, past: { jail, subject, count, endedMs: nowMs } })),
      windows: windows.map(({ jail, subject }) => ({ jail, subject, failuresMs: [] })),
      allow: [],
      cursors: [],
    });
    const lifted = bans.slice(0, maxNamed).map(({ jail, subject }) => ({ jail, subject }));
    if (bans.length === 0) return { ...none, outcome: 'nothing', text: `no bans are stored in ${path}` };
    return {
      count: bans.length,
      lifted,
      outcome: 'done',
      text: `${bans.length === 1 ? '1 ban' : `${bans.length} bans`} taken out of ${path}`,
    };
  } catch (error) {
    return { ...none, outcome: 'failed', text: `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    store.close();
  }
}

/** As in every UnbanReply. */
const maxNamed = 100;
