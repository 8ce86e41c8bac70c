import { enableCompileCache } from 'node:module';
import { codeCache } from './package-files.ts';

// Compiled code is kept beside the program, where only its owner writes, and never in /tmp: what lies there would be run. Where nobody may
// write, nothing is kept. A checkout that is not compiled leaves nothing behind.
if (import.meta.url.endsWith('.js')) enableCompileCache(codeCache);

const { dispatch } = await import('./cli/dispatch.ts');

process.exitCode = await dispatch(process.argv.slice(2));
