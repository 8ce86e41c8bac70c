import { execa } from 'execa';
import type { Prefix } from '../model/address.ts';
import type { Ports } from '../model/filter.ts';
import { parseElements } from './kernel-listing.ts';
import { placeOf } from './layout.ts';
import { tableName } from './nft-script.ts';

/** An element as the kernel has it. */
export interface KernelElement {
  readonly set: string;
  readonly element: string;
  /** undefined: until it is taken out. */
  readonly expiresInS: number | undefined;
}

const timeoutMs = 2_000;

/**
 * Asks the kernel for single elements. nft 1.0.6 reads the whole set for one element (10,000: 50 ms, 100,000: 1 s), so this is for people
 * who ask, not for the pipeline.
 *
 * @param nft path of nft
 * @throws {Error} if nft cannot be asked; an element that is not there is no error
 */
export async function lookUpElements(
  nft: string,
  wanted: Iterable<{ readonly ports: Ports; readonly subject: Prefix }>,
): Promise<readonly KernelElement[]> {
  const found: KernelElement[] = [];
  for (const { ports, subject } of wanted) {
    const { set, address } = placeOf(ports, subject);
    const { stdout, stderr, exitCode, shortMessage } = await execa(
      nft,
      ['-j', 'get', 'element', 'inet', tableName, set, '{', address, '}'],
      {
        reject: false,
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 65_536,
        extendEnv: false,
        env: { LC_ALL: 'C', HOME: '/nonexistent' },
      },
    );
    if (exitCode === 0) {
      for (const [element, expiresInS] of parseElements(stdout) ?? []) found.push({ set, element, expiresInS });
    } else if (!stderr.includes('No such file or directory')) {
      throw new Error(`nft cannot be asked: ${stderr.split('\n')[0] ?? shortMessage}`);
    }
  }
  return found;
}
