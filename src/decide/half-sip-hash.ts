/** 64 random bits as two words. Secret: whoever knows them can choose keys that fall together. */
export type HashSeed = readonly [number, number];

/**
 * HalfSipHash-1-3 with 32 bits of output over five words, the hash of the tables here.
 *
 * Attackers choose the keys (a /32 of IPv6 holds 4 billion /64), and hashes that only mix their input with a seed, such as MurmurHash,
 * have collisions that hold for every seed. The same function serves the Linux kernel's hash tables on 32-bit machines.
 *
 * @see Aumasson, Bernstein: SipHash: a fast short-input PRF; "HalfSipHash" in the reference implementation
 */
export function hashKey(key: Uint32Array, [seed0, seed1]: HashSeed): number {
  let v0 = seed0 | 0;
  let v1 = seed1 | 0;
  let v2 = 0x6c796765 ^ seed0;
  let v3 = 0x74656462 ^ seed1;
  for (let step = 0; step < keyWords + 1 + finalRounds; step++) {
    const word = step < keyWords ? (key[step] ?? 0) : step === keyWords ? lengthWord : 0;
    if (step === keyWords + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

/** Words of a key: four of the address, one of lane and prefix length. */
export const keyWords = 5;
const finalRounds = 3;
/** The message's length in bytes stands in the top byte of the last word. */
const lengthWord = (keyWords * 4) << 24;
