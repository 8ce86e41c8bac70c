import { readFileSync, writeFileSync } from 'node:fs';
import { configJsonSchema, configMarkdown } from './config-reference.ts';

/** Writes what is generated from the validator. `npm run docs`; a test fails when the files are not what this writes. */
const root = new URL('..', import.meta.url);
writeFileSync(new URL('docs/configuration.md', root), configMarkdown(readFileSync(new URL('share/sluice.yaml', root), 'utf8')));
writeFileSync(new URL('share/sluice.schema.json', root), configJsonSchema());
