import { readFileSync } from 'node:fs';
import { manifestFile } from './package-files.ts';

/** The package's version. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(manifestFile, 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string') {
    return manifest.version;
  }
  throw new Error('package.json names no version');
}
