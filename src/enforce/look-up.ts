import { execa } from 'execa';
import { parseDuration } from '../duration.ts';
import type { Prefix } from '../model/address.ts';
import type { Ports } from '../model/filter.ts';
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
    const { stdout, stderr, exitCode, shortMessage } = await execa(nft, ['get', 'element', 'inet', tableName, set, '{', address, '}'], {
      reject: false,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 65_536,
      extendEnv: false,
      env: { LC_ALL: 'C', HOME: '/nonexistent' },
    });
    if (exitCode === 0) {
      const element = parseElement(stdout);
      if (element === undefined) throw new Error(`nft answers in an unknown form: ${stdout.slice(0, 200)}`);
      found.push({ set, ...element });
    } else if (!stderr.includes('No such file or directory')) {
      throw new Error(`nft cannot be asked: ${stderr.split('\n')[0] ?? shortMessage}`);
    }
  }
  return found;
}

/** The one element in nft's text: `elements = { 192.0.2.1 timeout 1h expires 59m59s4ms }`. Not JSON, because 1.0.6 prints text for `get element` with -j too. */
function parseElement(text: string): { readonly element: string; readonly expiresInS: number | undefined } | undefined {
  const [, element, attributes = ''] = /elements = \{ (\S+)([^}]*)\}/.exec(text) ?? [];
  if (element === undefined) return undefined;
  const [, expires] = / expires (\S+)/.exec(attributes) ?? [];
  const ms = expires === undefined ? undefined : parseDuration(expires);
  return { element, expiresInS: ms === undefined ? undefined : ms / 1_000 };
}
