import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { formatDiagnostics } from '../../src/diagnostic.ts';
import { root } from './sample.ts';

/** Reads it, and asserts what must hold of any text: no exception, and a configuration or mistakes that stand where they say. */
function assertSound(texts: readonly string[]): void {
  const files = texts.map((text, index) => ({ path: `${index}.yaml`, text }));
  const reading = parseConfig(files, root);
  const diagnostics = reading.kind === 'config' ? reading.warnings : reading.diagnostics;
  if (reading.kind === 'config') assert.ok(reading.config.jails.length > 0);
  else assert.ok(diagnostics.some(({ severity }) => severity === 'error'));
  for (const { file, line, column, length, message } of diagnostics) {
    const text = files.find(({ path }) => path === file)?.text;
    assert.ok(text !== undefined, `a mistake in a file that was not read: ${file}`);
    assert.notEqual(message, '');
    if (line === 0) continue;
    const written = text.split('\n')[line - 1];
    assert.ok(written !== undefined, `line ${line} of ${text.split('\n').length}: ${message}`);
    assert.ok(column >= 1 && column <= written.length + 1, `column ${column} of ${written.length}: ${message}`);
    assert.ok(
      length >= 1 && column - 1 + length <= Math.max(written.length, column),
      `length ${length} at ${column} of ${written.length}: ${message}`,
    );
  }
  formatDiagnostics(diagnostics, new Map(files.map(({ path, text }) => [path, text])));
}

const keys = [
  'sources own syslog listen peers journal enabled files path name from max_skew enforce mode metrics control socket state allowlist defaults',
  'maxretry findtime bantime first factor max forget prefix ipv4 jails filters ports observe limits message fail2ban timezone',
  'constructor __proto__ << 0 maxretries',
].flatMap((line) => line.split(' '));
const values = [
  'journal udp://127.0.0.1:5514 tcp://0.0.0.0:1 127.0.0.1:9190 off all 10m permanent 64KiB /var/log/mail.log yes postfix/relay-denied sshd smtp',
  '1-65535 2001:db8::/32 192.0.2.1 start Europe/Berlin * &a !x 1:30:00',
].flatMap((line) => line.split(' '));

const scalar = fc.oneof(
  fc.constantFrom(...values),
  fc.constantFrom(...keys),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string(),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    scalar,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.constantFrom(...keys), tie('tree')), { maxLength: 6 }).map((entries) => new Map(entries)),
  ),
}));

test('any text is a configuration or mistakes, never an exception', () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { minLength: 1, maxLength: 3 }), assertSound), {
    numRuns: 500,
  });
});

test('any text of YAML characters is a configuration or mistakes', () => {
  const signs = [
    ...' \n\t:-[]{},"\'#?&*!|>%\u2028\ufeff'.split(''),
    '  ',
    ': ',
    '- ',
    '&a ',
    '*a',
    '!x ',
    '|\n',
    '>\n',
    '? ',
    '---\n',
    '\r\n',
  ];
  const pieces = fc.constantFrom(...signs, ...keys, ...values);
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 60 }).map((each) => each.join('')),
      (text) => assertSound([text]),
    ),
    { numRuns: 2_000 },
  );
});

test('any tree of keys and values we know is a configuration or mistakes', () => {
  const jails = fc.constant(new Map([['jails', new Map([['a', new Map([['filters', ['sshd']]])]])]]));
  fc.assert(
    fc.property(fc.array(fc.oneof(tree, jails), { minLength: 1, maxLength: 3 }), (trees) =>
      assertSound(trees.map((each) => stringify(each))),
    ),
    { numRuns: 1_000 },
  );
});

test('a file nested beyond any stack is refused', () => {
  for (const opening of ['[', '{a: ', '- ', '? ']) assertSound([opening.repeat(20_000)]);
});
