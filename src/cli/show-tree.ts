import type { BanEntry } from '../control/ban-entry.ts';
import type { JailStatus, JailSummary } from '../control/protocol.ts';
import { printable } from '../diagnostic.ts';
import { formatSubject } from '../model/address.ts';
import { bySince } from './show-bans.ts';

/**
 * The trees of `fail2ban-client status` and `fail2ban-client status JAIL`, to the byte: scripts, exporters and monitoring read them by label,
 * by number of line and by the last line.
 */

/** What `fail2ban-client status` prints. A jail that is disabled is none there; `manual` is one once it has been used. */
export function formatJailList(jails: readonly JailSummary[]): string {
  const working = jails.filter(
    ({ name, disabled, bansNow, bansTotal, restored }) => disabled === null && (name !== 'manual' || bansNow + bansTotal + restored > 0),
  );
  const names = working.map(({ name }) => printable(name)).toSorted();
  return `Status\n|- Number of jail:\t${names.length}\n\`- Jail list:\t${names.join(', ')}\n`;
}

/**
 * What `fail2ban-client status JAIL` prints, piece by piece. Bans that only would be are no bans here: scripts hand the list on to other
 * firewalls.
 */
export function* jailTree(jail: JailStatus, banned: BannedList): Generator<string> {
  const { name, tracked, failures, ignored, journal, files, observe, bansTotal, restored } = jail;
  const sources = [
    // A jail of fail2ban has one of the two, and a file list even if it is empty.
    ...(files.length > 0 || journal.length === 0 ? [`File list:\t${files.map(printable).join(' ')}`] : []),
    ...(journal.length > 0 ? [`Journal matches:\t${journal.map(printable).join(' + ')}`] : []),
  ];
  const filter = [`Currently failed:\t${tracked}`, `Total failed:\t${failures + (ignored.banned ?? 0)}`, ...sources];
  yield `Status for the jail: ${printable(name)}\n|- Filter\n`;
  yield filter.map((fact, index) => `|  ${index === filter.length - 1 ? '`-' : '|-'} ${fact}\n`).join('');
  yield `\`- Actions\n   |- Currently banned:\t${banned.count}\n   |- Total banned:\t${observe ? 0 : bansTotal + restored}\n   \`- Banned IP list:\t`;
  yield* banned.pieces();
  yield '\n';
}

/** Texts joined at once: a million addresses as strings of their own would take 60 MB. */
const pieceLength = 1_000;

/** The addresses and networks that are banned, told apart by a blank, and the latest bans whole. */
export class BannedList {
  readonly #pieces: string[] = [];
  readonly #latestCount: number;
  #open: string[] = [];
  #latest: BanEntry[] = [];
  /** Without those that only would be. */
  count = 0;
  /** With them. */
  total = 0;

  /** @param latestCount how many bans are kept whole, would-be ones too; at least 1 */
  constructor(latestCount: number) {
    this.#latestCount = latestCount;
  }

  add(ban: BanEntry): void {
    this.total++;
    this.#latest.push(ban);
    if (this.#latest.length >= 2 * this.#latestCount) this.#latest = this.latest();
    if (ban.observe) return;
    this.count++;
    this.#open.push(formatSubject(ban.subject));
    if (this.#open.length < pieceLength) return;
    this.#pieces.push(this.#open.join(' '));
    this.#open = [];
  }

  *pieces(): Generator<string> {
    const last = this.#open.length === 0 ? [] : [this.#open.join(' ')];
    for (const [index, piece] of [...this.#pieces, ...last].entries()) yield index === 0 ? piece : ` ${piece}`;
  }

  latest(): BanEntry[] {
    return this.#latest.toSorted(bySince).slice(-this.#latestCount);
  }
}
