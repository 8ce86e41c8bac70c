import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { without } from '../../environment.ts';
import { asOriginal } from './as-original.ts';
import { askPython, normal, obeyAll } from './original.ts';

/** The reader behind `fail2ban-client -d`, for many directories in one process. */
const jailsReader = `
import logging
logging.disable(logging.CRITICAL)
from fail2ban.client.jailsreader import JailsReader
def answer(dir):
    reader = JailsReader(basedir=dir, share_config={})
    reader.read()
    reader.getOptions()
    return reader.convert(allow_no_files=True)
`;

// No name may be a part of "datepattern": fail2ban takes such a parameter for that option.
const names = ['v1', 'v2', 'mode', 'mode-x'];
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('x', 'y z', ' ', '<HOST>', '<F-USER>u</F-USER>', '%%', '(?P<user>q)') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...names.map((name) => `<${name}>`),
      '<mode-<mode>>',
      '<sec/v1>',
      '<known/v1>',
      '<default/v2>',
      '<sec/<mode>>',
      '<none>',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '%(v1)s',
      '%(v2)s',
      '%(known/v1)s',
      '%(known/failregex)s',
      '%(default/v1)s',
      '%(sec/v2)s',
      '%(__name__)s',
      '\n  ',
      '\n # comment\n  ',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('%(none)s', '%(mode)s', '<failregex>', ' ; comment', '# no comment', '%(sec/none)s') },
);
const value = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join(''));
const plainValue = fc.constantFrom('x', 'v1', 'v2', 'mode', '1', '<HOST>', 'x y');

/** Values of variables: so that most do not name each other in a circle, they name only what stands in other sections. */
const tame = fc
  .array(fc.constantFrom('x', ' y', '<HOST>', '%%', '<sec/v1>', '%(sec/v2)s', '<default/v2>', '%(default/v1)s', '<sec/mode>', '\n  z'), {
    maxLength: 3,
  })
  .map((parts) => parts.join(''));

/** A section whose keys are in the file once each. */
function section(heading: string, keys: readonly string[], given: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const pair = fc
    .constantFrom(...keys)
    .chain((key) =>
      fc.tuple(
        fc.constant(key),
        given === value && names.includes(key) ? fc.oneof({ weight: 12, arbitrary: tame }, { weight: 1, arbitrary: value }) : given,
      ),
    );
  return fc.uniqueArray(pair, { maxLength: 4, selector: ([key]) => key }).map((pairs) => {
    return pairs.length === 0 ? '' : `[${heading}]\n${pairs.map(([key, text]) => `${key} = ${text}\n`).join('')}`;
  });
}

/** Every name has some value. */
const base = `[DEFAULT]\n${['failregex', 'none', ...names].map((name) => `${name} = of base\n`).join('')}[sec]\nv1 = s\n`;

function fileOf(...sections: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...sections).map((texts) => texts.join(''));
}

const plainDefaults = section('DEFAULT', names, plainValue);
const tables = [section('sec', names, plainValue), section('Init', names, value), section('Init?family=inet6', names, value)];
const filterKeys = [...names, 'failregex', 'ignoreregex', 'prefregex', 'datepattern', 'failregex', 'logtype'];
const filterFile = fileOf(plainDefaults, section('Definition', filterKeys, value), ...tables);
const actionKeys = [...names, 'actionban', 'actionban', 'actionstart', 'actionunban', 'norestored'];
const actionFile = fileOf(plainDefaults, section('Definition', actionKeys, value), ...tables);
const jailKeys = [...names, 'failregex', 'ignoreregex', 'datepattern', 'ignoreip', 'logencoding'];
const jailFile = fileOf(
  plainDefaults,
  section('j', jailKeys, value),
  section('k', [...names, 'logencoding'], value),
  section('sec', names, plainValue),
);
const layer = (file: fc.Arbitrary<string>) => fc.option(file, { nil: undefined, freq: 2 });

const configuration = fc.record({
  'jail.conf': jailFile.chain((text) =>
    fc
      .tuple(
        fc.constantFrom('f', 'f[v1=1]', 'f[mode=x, v2="<v1>"]', 'f[v1="<known/v1>+"]', 'f[failregex=only]'),
        fc.constantFrom('', 'act', 'act[v1=<v2>]', 'act[mode="x"] act[name=two]', '%(v1)s'),
      )
      .map(([filter, action]) =>
        `[INCLUDES]\nbefore = base.conf\n[j]\nenabled = 1\nfilter = ${filter}\naction = ${action}\n[k]\nenabled = yes\nbackend = systemd\nfilter = f\n`.concat(
          text.replaceAll(/\[(?:j|k)\]\n/g, ''),
        ),
      ),
  ),
  'base.conf': fc.constant(base),
  'filter.d/base.conf': fc.constant(base),
  'action.d/base.conf': fc.constant(base),
  'jail.local': layer(jailFile),
  'jail.d/1.conf': layer(jailFile),
  'filter.d/f.conf': filterFile.map((text) => `[INCLUDES]\nbefore = base.conf\n  inc.conf\n${text}`),
  'filter.d/inc.conf': layer(filterFile),
  'filter.d/f.local': layer(filterFile),
  'filter.d/f.d/1.conf': layer(filterFile),
  'action.d/act.conf': actionFile.map((text) => `[INCLUDES]\nbefore = base.conf\n${text}`),
  'action.d/act.local': layer(actionFile),
});

describe('configurations put together at random', { skip: without('fail2ban-client') }, () => {
  const root = mkdtempSync(join(tmpdir(), 'slu-f2b-random-'));
  after(() => rmSync(root, { recursive: true }));

  test('come out as fail2ban resolves them, or are refused by both', async () => {
    const dirs = fc.sample(configuration, { numRuns: 150, seed: 28 }).map((files, index) => {
      const dir = join(root, String(index));
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        if (text !== undefined) writeFileSync(join(dir, name), text);
      }
      return { dir, files };
    });
    const answers = await askPython(
      jailsReader,
      dirs.map(({ dir }) => dir),
    );
    let compared = 0;
    for (const [index, { dir, files }] of dirs.entries()) {
      const theirs = answers[index];
      const ours = loadFail2ban(dir);
      const told = () => JSON.stringify({ files, theirs, disabled: ours.disabled }, undefined, 1).replaceAll('\\n', '\n');
      if (!Array.isArray(theirs)) {
        // A TypeError is no decision: fail2ban trips over known/failregex of a filter without [Definition].
        if (!JSON.stringify(theirs).includes('TypeError')) assert.ok(ours.disabled.length > 0, told());
        continue;
      }
      const jails = obeyAll(theirs);
      for (const jail of ours.jails) {
        const their = jails[jail.name];
        assert.ok(their !== undefined, told());
        assert.deepEqual(normal(asOriginal(jail)), normal(their), told());
        compared++;
      }
      const skipped = Object.keys(jails).filter((name) => jails[name]?.mistake !== undefined);
      assert.deepEqual(
        ours.disabled.map(({ jail }) => jail),
        skipped,
        told(),
      );
    }
    assert.ok(compared > 30, `${compared} jails compared`);
  });
});
