import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { layoutOf } from './layout.ts';
import { adviceFor } from './nft-advice.ts';
import { readNftError } from './nft-error.ts';
import { ensureScript } from './nft-script.ts';

/** @returns the absolute path of nft, undefined if there is none. /usr/sbin is often not in a service's PATH. */
export function findNft(path: string = process.env['PATH'] ?? ''): string | undefined {
  for (const place of ['/usr/sbin', '/sbin', '/usr/bin', '/usr/local/sbin', ...path.split(delimiter)]) {
    if (!place.startsWith('/')) continue;
    try {
      accessSync(join(place, 'nft'), constants.X_OK);
      return join(place, 'nft');
    } catch {
      // Not here.
    }
  }
  return undefined;
}

export type Permission =
  | { readonly permitted: true }
  /** `why`: half a sentence; `mend`: what to do. */
  | { readonly permitted: false; readonly why: string; readonly mend: string };

const timeoutMs = 5_000;

/**
 * Whether this process may write our table, and whether the kernel knows everything that the table needs: nft checks the script against the
 * kernel (`-c`) and changes nothing.
 *
 * @param nft undefined: not found
 */
export async function probeNft(nft: string | undefined): Promise<Permission> {
  if (nft === undefined) return { permitted: false, why: 'nft is not installed', mend: adviceFor('not_installed') };
  const everything = layoutOf([{ kind: 'all' }, { kind: 'list', protocol: 'both', ports: [25] }], { ipv4: [24], ipv6: [64] }, []);
  // As an argument: what goes to stdin is written only when whoever asks has nothing else to do, and nft waits for it.
  const { exitCode, stderr, timedOut, code } = await execa(nft, ['-c', ensureScript(everything, 1_000)], {
    stdin: 'ignore',
    reject: false,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: 65_536,
    extendEnv: false,
    env: { LC_ALL: 'C', HOME: '/nonexistent' },
    stdout: 'ignore',
  });
  if (exitCode === 0) return { permitted: true };
  if (timedOut) return { permitted: false, why: `${nft} did not answer within ${timeoutMs / 1_000} s`, mend: adviceFor('timeout') };
  const problem = readNftError(exitCode ?? (code === 'ENOENT' || code === 'EACCES' ? 127 : 1), stderr);
  // A table of an older form is no reason: it is made anew at the start.
  if (problem.kind === 'changed' && /File exists/.test(problem.text)) return { permitted: true };
  return { permitted: false, why: `${nft} is refused: ${problem.text}`, mend: adviceFor(problem.kind) };
}
