import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Compiles src/ and what it uses of node_modules/ into a few files: to find, read and link 600 modules one by one is half of a daemon's start.
 * Each of the two entries is started by its name; the rest are parts that several commands share, or that only one needs.
 */
async function compile(directory: string): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  const { output } = await build({
    cwd: root,
    input: { cli: 'src/cli.ts', 'guard-worker': 'src/guard/guard-worker.ts' },
    platform: 'node',
    output: { dir: directory, format: 'esm', chunkFileNames: '[name].js' },
  });
  const modules = output.flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
  writeFileSync(join(directory, 'LICENSES'), licencesOf(modules));
}

/** The licences of all packages that are compiled in, which they ask to be passed on. @throws if one has none */
function licencesOf(modules: readonly string[]): string {
  const packages = new Set(modules.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const texts = [...packages].toSorted().map((path) => {
    const file = readdirSync(path).find((name) => /^(?:licen[cs]e|copying)/i.test(name));
    const name = path.slice(path.lastIndexOf('/node_modules/') + '/node_modules/'.length);
    if (file === undefined) throw new Error(`${name} has no file that says how it may be passed on`);
    return `${name}\n\n${readFileSync(join(path, file), 'utf8').trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

await compile(resolve(process.argv[2] ?? join(root, 'dist')));
