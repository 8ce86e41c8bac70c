import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A folder of the corpus of real logs: below $SLUICE_CORPUS, else beside the repository. Undefined if it is not there. */
export function corpusFolder(name: string): string | undefined {
  const folder = join(process.env['SLUICE_CORPUS'] ?? join(root, '..', 'shared', 'corpus'), name);
  return existsSync(folder) ? folder : undefined;
}

/** For the `skip` option of a test. */
export function withoutCorpus(name: string): string | false {
  return corpusFolder(name) === undefined ? `left out: no corpus ${name} (set SLUICE_CORPUS)` : false;
}
