import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { configJsonSchema, configMarkdown } from '../../scripts/config-reference.ts';
import { schema } from '../../src/config/schema.ts';
import { shapeOf } from '../../src/config/shape.ts';

const root = new URL('../../', import.meta.url);
const text = (path: string) => readFileSync(new URL(path, root), 'utf8');

describe('what is generated from the validator is what "npm run docs" writes', () => {
  test('docs/configuration.md', () => assert.equal(text('docs/configuration.md'), configMarkdown(text('share/sluice.yaml'))));
  test('share/sluice.schema.json', () => assert.equal(text('share/sluice.schema.json'), configJsonSchema()));
});

test('every key has a type and a meaning', () => {
  const rows = text('docs/configuration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
  assert.ok(rows.length > 50, `${rows.length} rows`);
  for (const [, key, type, , , meaning] of rows) {
    assert.notEqual(type, '', `${key} has no type`);
    assert.notEqual(meaning, '', `${key} has no meaning`);
  }
});

test('every key of the validator is documented', () => {
  const documented = text('docs/configuration.md');
  const names = (below: typeof schema | ReturnType<typeof shapeOf>): readonly string[] =>
    Object.entries('entries' in below ? (below.entries ?? {}) : {}).flatMap(([name, each]) => [name, ...names(shapeOf(each))]);
  const all = names(schema);
  assert.ok(all.includes('max_skew'), all.join());
  for (const name of all) assert.ok(documented.includes(`.${name}\``) || documented.includes(`\`${name}\``), `${name} is not documented`);
});

test('the JSON Schema refuses unknown keys and names those that must be there', () => {
  const generated: unknown = JSON.parse(configJsonSchema());
  const at = (...path: readonly string[]) => {
    let value: unknown = generated;
    for (const key of path)
      value = typeof value === 'object' && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined;
    return value;
  };
  assert.equal(at('additionalProperties'), false);
  assert.deepEqual(at('properties', 'jails', 'additionalProperties', 'properties', 'fail2ban', 'required'), ['failregex']);
  assert.equal(at('properties', 'defaults', 'properties', 'maxretry', 'maximum'), 1000);
  assert.equal(at('properties', 'defaults', 'properties', 'findtime', 'pattern'), '^(?:\\d{1,9}(?:ms|[smhdw]))+$');
});
