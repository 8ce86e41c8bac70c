import { fileURLToPath } from 'node:url';

// This file lies in src/, and compiled in dist/, whatever file it became a part of there: both stand beside what the package brings.

function beside(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** The shipped rules. */
export const packageRules = beside('rules');
/** The built-in defaults, as a configuration file. */
export const builtInConfig = beside('share/sluice.yaml');
/** package.json, which names the version. */
export const manifestFile = beside('package.json');
/** Where V8 keeps compiled code. */
export const codeCache = beside('.cache');
