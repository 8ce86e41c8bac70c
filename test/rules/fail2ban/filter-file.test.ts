import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type F2bFilter, readFilterFile } from '../../../src/rules/fail2ban/filter-file.ts';
import { IniCache } from '../../../src/rules/fail2ban/layering.ts';
import { Mistake } from '../../../src/rules/fail2ban/mistake.ts';
import { without } from '../../environment.ts';
import { askPython } from './original.ts';

const stock = '/etc/fail2ban';

/** What fail2ban-regex does with a filter: no jail, one reading. */
const filterReader = `
import logging
logging.disable(logging.CRITICAL)
from fail2ban.client.filterreader import FilterReader
def answer(given):
    reader = FilterReader(given["name"], "j", dict(given["options"]), share_config={}, basedir="${stock}")
    if not reader.read(): raise ValueError("not read")
    reader.applyAutoOptions(given["backend"])
    reader.getOptions(None)
    found = {"failregex": [], "ignoreregex": [], "journalmatch": [], "prefregex": "", "datepattern": "", "maxlines": 1, "usedns": None}
    for verb, _, key, *values in reader.convert():
        many = values[0] if verb == "multi-set" else values
        if key == "addjournalmatch": found["journalmatch"].append(many)
        elif key.startswith("add"): found[key[3:]] += many
        else: found[key] = many[0]
    return found
`;

function plain(filter: F2bFilter): unknown {
  return {
    failregex: filter.failregex.map(({ text }) => text),
    ignoreregex: filter.ignoreregex.map(({ text }) => text),
    journalmatch: filter.journalmatch,
    prefregex: filter.prefregex?.text ?? '',
    datepattern: filter.datepattern.map(({ text }) => text).join('\n'),
    maxlines: filter.maxlines,
    usedns: filter.usednsWritten ?? null,
  };
}

const optionSets: readonly Readonly<Record<string, string>>[] = [
  {},
  { logtype: 'journal' },
  { logtype: 'rfc5424' },
  { logtype: 'short', mode: 'normal' },
  ...['aggressive', 'ddos', 'extra', 'more', 'auth', 'rbl', 'errors', 'no-such-mode'].map((mode) => ({ mode })),
  { mode: 'aggressive', publickey: 'invalid', logging: 'webapp', _daemon: 'x(?:y|z)' },
  { datepattern: '', failregex: '^<HOST> only$', maxlines: '7' },
];

describe('every stock filter by itself, with all kinds of options', { skip: without('fail2ban-client') }, () => {
  test('is what fail2ban-regex makes of it', async () => {
    const names = readdirSync(join(stock, 'filter.d')).flatMap((name) => (name.endsWith('.conf') ? [name.slice(0, -'.conf'.length)] : []));
    const inputs = names.flatMap((name) =>
      optionSets.flatMap((options) => ['auto', 'systemd'].map((backend) => ({ name, options, backend }))),
    );
    const answers = await askPython(filterReader, inputs);
    const cache = new IniCache();
    assert.ok(inputs.length > 2_000);
    let refused = 0;
    for (const [index, { name, options, backend }] of inputs.entries()) {
      const theirs = answers[index];
      const read = () => readFilterFile(join(stock, 'filter.d', `${name}.conf`), new Map(Object.entries(options)), { backend, cache });
      if (typeof theirs === 'object' && theirs !== null && 'error' in theirs) {
        refused++;
        assert.throws(read, Mistake, `${name}: ${String(theirs.error)}`); // files that only make sense included
      } else assert.deepEqual(plain(read()), theirs, JSON.stringify({ name, options, backend }));
    }
    assert.ok(refused < inputs.length / 20, `${refused} refused`);
  });
});

describe('a filter file that lies anywhere', () => {
  const dir = mkdtempSync(join(tmpdir(), 'slu-f2b-filter-'));
  after(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'mine.d'));
  writeFileSync(join(dir, 'mine.conf'), '[INCLUDES]\nbefore = part.inc\n[Definition]\nfailregex = ^<part> <HOST>$\n');
  writeFileSync(join(dir, 'part.inc'), '[Definition]\npart = of the include\n');
  writeFileSync(join(dir, 'mine.local'), '[Definition]\nignoreregex = ^of the local$\n');
  writeFileSync(join(dir, 'mine.d/more.conf'), '[Definition]\nfailregex = ^not read$\n');

  test('is read with its includes and its .local, but without a folder of its name', () => {
    const { failregex, ignoreregex } = readFilterFile(join(dir, 'mine.conf'), new Map(), { backend: 'auto', cache: new IniCache() });
    assert.deepEqual(
      [failregex.map(({ text }) => text), ignoreregex.map(({ text }) => text)],
      [['^of the include <HOST>$'], ['^of the local$']],
    );
  });

  test('that is not there is named', () => {
    assert.throws(
      () => readFilterFile(join(dir, 'none.conf'), new Map(), { backend: 'auto', cache: new IniCache() }),
      /none.conf:0: there is no such filter file/,
    );
  });
});
