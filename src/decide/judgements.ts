import type { Address, Prefix } from '../model/address.ts';
import { readAddressBits, wordsOfAddress } from '../model/address-bits.ts';
import type { NeverBanned, Verdict } from './never-banned.ts';
import { newKey, readSubject, type SubjectKey, subjectOfAddress, wholeAddress } from './subject-key.ts';

/** Whom a jail would ban for an address, and whether it may. */
export interface Judgement {
  readonly verdict: Verdict;
  /** The address alone unless the verdict is `free`. */
  readonly subject: Prefix;
  /** Of the subject, in lane 0: to be copied. */
  readonly key: SubjectKey;
}

/** Judgements kept; some 250 bytes each. */
const places = 4_096;
/** The address's words, and the length that was asked for. */
const wordsOfPlace = wordsOfAddress + 1;

/**
 * Judges addresses, and remembers the last judgements: in an attack the same few thousand hosts come again and again, each time to be looked up in
 * the never-banned list and to be spelled. Each address has one place, found by its bits, and a newcomer takes it: whoever chooses addresses
 * that share a place makes us judge anew, and that is all.
 */
export class Judgements {
  readonly #kept: (Judgement | undefined)[] = Array.from({ length: places });
  /** What each was asked: side by side, because most look-ups wait for memory. */
  readonly #asked = new Uint32Array(places * wordsOfPlace);
  readonly #scratch = newKey();
  #neverBanned: NeverBanned | undefined;

  /** @param length bits of the address's own family that the jail bans */
  judge(address: Address, length: number, neverBanned: NeverBanned): Judgement {
    if (neverBanned !== this.#neverBanned) {
      this.#kept.fill(undefined);
      this.#neverBanned = neverBanned;
    }
    const words = this.#scratch;
    readAddressBits(address, words);
    const place = placeOf(words);
    const kept = this.#kept[place];
    const at = place * wordsOfPlace;
    if (kept !== undefined && this.#asked[at + wordsOfAddress] === length && sameAddress(this.#asked, at, words)) return kept;
    const verdict = neverBanned.verdict(address, length);
    const key = newKey();
    readSubject(key, address, verdict.kind === 'free' ? length : wholeAddress);
    const judged: Judgement = { verdict, subject: subjectOfAddress(key, address), key };
    this.#kept[place] = judged;
    words[wordsOfAddress] = length;
    this.#asked.set(words, at);
    return judged;
  }
}

function sameAddress(table: Uint32Array, at: number, words: SubjectKey): boolean {
  return table[at + 3] === words[3] && table[at + 2] === words[2] && table[at + 1] === words[1] && table[at] === words[0];
}

/** Neighbours get different places: low bits count, and of IPv6 all of the network's. */
function placeOf(words: SubjectKey): number {
  const [a = 0, b = 0, c = 0, d = 0] = words;
  const mixed = Math.imul(d ^ Math.imul(c, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35) ^ Math.imul(a, 0x27d4eb2f), 0x9e3779b1);
  return mixed >>> 20;
}
