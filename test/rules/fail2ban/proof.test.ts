import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FilterTexts } from '../../../src/model/foreign-filter.ts';
import { unprovedExpressions } from '../../../src/rules/fail2ban/proof.ts';
import { without } from '../../environment.ts';
import { compiled, corpusCases, readStockFilters, stockFilterNames, withoutCorpus } from './stock-filters.ts';

const none: FilterTexts = {
  failregex: [],
  ignoreregex: [],
  prefregex: undefined,
  datepattern: [],
  maxlines: 1,
  usedns: 'warn',
  logtimezone: undefined,
};

/** What is said of one expression: `proved`, `unanchored`, or the text that takes anything. */
function said(failregex: string, rest: Partial<FilterTexts> = {}): string {
  const [unproved] = unprovedExpressions({ ...none, ...rest, failregex: [failregex] });
  if (unproved === undefined) return 'proved';
  return unproved.because === 'unanchored' ? `unanchored ${unproved.option}` : `${unproved.option} ${unproved.hole}`;
}

/** As common.conf makes it for a file and for the journal. */
const filePrefix =
  '(?:\\[\\])?\\s*(?:<[^.]+\\.[^.]+>\\s+)?(?:\\S+\\s+)?(?:kernel:\\s?\\[ *\\d+\\.\\d+\\]:?\\s+)?(?:@vserver_\\S+\\s+)?(?:(?:(?:\\[\\d+\\])?:\\s+[\\[\\(]?x(?:\\(\\S+\\))?[\\]\\)]?:?|[\\[\\(]?x(?:\\(\\S+\\))?[\\]\\)]?:?(?:\\[\\d+\\])?:?)\\s+)?(?:\\[ID \\d+ \\S+\\]\\s+)?';
const journalPrefix = '\\s*(?:\\S+\\s+)?(?:x(?:\\[\\d+\\])?:?\\s+)?(?:kernel:\\s?\\[ *\\d+\\.\\d+\\]:?\\s+)?';

const cases: readonly [failregex: string, expected: string, because: string][] = [
  ['^bad <HOST>', 'proved', 'nothing but a word stands before the address'],
  ['^bad \\d+ \\w+ [a-f0-9]{8,} <HOST>', 'proved', 'numbers and single words hold no address'],
  ['bad <HOST>$', 'unanchored failregex', 'the line may say all of it somewhere'],
  ['^bad|worse <HOST>', 'unanchored failregex', 'one alternative may begin anywhere'],
  ['^bad .* <HOST>', 'failregex .*', 'the part before the address takes anything'],
  ['^bad \\S+ <HOST>', 'failregex \\S+', 'what follows a space may be said by the client too'],
  ['^bad "[^"]*" <HOST>', 'failregex [^"]*', 'so may the quotation mark'],
  ['^bad (?:\\w+ )* <HOST>', 'failregex (?:\\w+ )*', 'words with spaces between are text'],
  ['^bad .{0,6} <HOST>', 'proved', 'the shortest address has seven characters'],
  ['^bad .* from <HOST>$', 'proved', 'the message is named, and the address stands at its end'],
  ['^bad .* from <HOST> port \\d+$', 'proved', 'what follows is fixed'],
  ['^.* from <HOST>$', 'failregex .*', 'any message of the program fits, also one that ends in text of the client'],
  ['^bad .* from <HOST>: .*$', 'failregex .*', 'text behind the address may hold another one'],
  ['^bad .* from <HOST>', 'failregex .*', 'nothing holds the address to the end'],
  ['^bad (?:.* )?from <HOST>', 'failregex .*', 'an option is a part like others'],
  ['^bad <F-USER>.*</F-USER> <HOST>', 'failregex .*', 'a name changes nothing'],
  ['^(?=.*)bad <HOST>', 'proved', 'a look ahead takes nothing'],
  ['^(?:a|b.*)bad <HOST>', 'failregex .*', 'one of the alternatives takes text'],
  [`^${filePrefix}bad <HOST>`, 'proved', 'host and program come from the log daemon'],
  [`^${journalPrefix}bad <HOST>`, 'proved', 'those of the journal too'],
  [`^${filePrefix}bad \\S+ <HOST>`, 'failregex \\S+', 'what stands behind them does not'],
  [`^${filePrefix}.* from <HOST>$`, 'failregex .*', 'they do not say which message it is'],
  ['^bad <F-ID>\\d+</F-ID>', 'proved', 'the key of a failure counts as the address'],
  ['^no address at all', 'proved', 'there is none to be moved: another line has it'],
];
describe('an expression', () => {
  for (const [failregex, expected, because] of cases) {
    test(`${failregex.replace(filePrefix, 'PREFIX').replace(journalPrefix, 'JOURNAL')} is ${expected}: ${because}`, () =>
      assert.equal(said(failregex), expected));
  }
});

const withPrefix: readonly [prefregex: string, failregex: string, expected: string, because: string][] = [
  ['^x: <F-CONTENT>.+</F-CONTENT>$', '^bad <HOST>', 'proved', 'the content begins at a known place'],
  ['x: <F-CONTENT>.+</F-CONTENT>$', '^bad <HOST>', 'unanchored prefregex', 'the content may begin anywhere'],
  ['^x: <F-CONTENT>.+</F-CONTENT>$', 'bad <HOST>', 'unanchored failregex', 'the match may begin anywhere in the content'],
  ['^\\S+ <F-CONTENT>.+</F-CONTENT>$', '^bad <HOST>', 'prefregex \\S+', 'text may stand before the content'],
  ['^x: <F-CONTENT>.+</F-CONTENT>$', '^bad .* <HOST>$', 'proved', 'the end of the content is the end of the line'],
  ['^x: <F-CONTENT>.+?</F-CONTENT> end', '^bad .* <HOST>$', 'failregex .*', 'the end of the content is anywhere'],
  ['^x: \\[<HOST>\\] <F-CONTENT>.+</F-CONTENT>$', '^bad', 'proved', "the address is the prefix's"],
  ['^x: \\S+ <HOST> <F-CONTENT>.+</F-CONTENT>$', '^bad', 'prefregex \\S+', 'and text stands before it'],
];
describe('an expression behind a prefregex', () => {
  for (const [prefregex, failregex, expected, because] of withPrefix) {
    test(`${prefregex} ${failregex} is ${expected}: ${because}`, () => assert.equal(said(failregex, { prefregex }), expected));
  }
});

test('the place is that of the text as it is written, tags and all', () => {
  const failregex = '^<F-USER>a</F-USER> <F-RHOST>.*</F-RHOST> <HOST>';
  const [unproved] = unprovedExpressions({ ...none, failregex: [failregex] });
  assert.deepEqual([unproved?.start, failregex.slice(unproved?.start, unproved?.end)], [failregex.indexOf('.*'), '.*']);
});

describe('the stock filters', { skip: without('fail2ban-client') }, () => {
  const names = stockFilterNames();
  const filters = readStockFilters(names.map((filter) => ({ filter, options: {} })));

  test('rather less than two thirds of their expressions are named, and few because they have no beginning', () => {
    const all = new Set<string>();
    const named = new Map<string, string>();
    for (const texts of filters) {
      for (const text of texts.failregex) all.add(JSON.stringify([texts.prefregex, text]));
      for (const { index, because } of unprovedExpressions(texts))
        named.set(JSON.stringify([texts.prefregex, texts.failregex[index]]), because);
    }
    const unanchored = [...named.values()].filter((because) => because === 'unanchored').length;
    assert.ok(all.size > 150 && named.size > all.size / 3 && named.size < (all.size * 2) / 3, `${named.size} of ${all.size}`);
    assert.ok(unanchored < 10, `${unanchored} without a beginning`);
  });

  test('sshd: an expression that is named lets a client have somebody else banned by the name that it logs in with', () => {
    const [texts] = readStockFilters([{ filter: 'sshd', options: {} }]);
    assert.ok(texts !== undefined);
    const index = texts.failregex.findIndex((text) => text.startsWith('^Failed (?:'));
    const [failed] = compiled({ ...texts, failregex: texts.failregex.slice(index, index + 1) }).failRegexes;
    const found = failed?.search('Failed password for invalid user x from 203.0.113.9: y from 192.0.2.1 port 22 ssh2');
    assert.equal(found?.groups.get('ip4'), '203.0.113.9');
    assert.ok(unprovedExpressions(texts).some((unproved) => unproved.index === index));
  });
});

describe('what is proved holds', { skip: withoutCorpus || without('fail2ban-client') }, () => {
  const cases = corpusCases().filter(({ match, journal }) => match && !journal);
  const specs = new Map(cases.map(({ filter, options }) => [JSON.stringify([filter, options]), { filter, options }]));
  const resolved = readStockFilters([...specs.values()]);
  const filters = new Map([...specs.keys()].map((key, index) => [key, resolved[index]] as const));

  test('another address in place of a word that may be any changes nobody, in every line that a proved expression finds', () => {
    let tried = 0;
    for (const { filter, options, line } of cases) {
      const texts = filters.get(JSON.stringify([filter, options]));
      if (texts === undefined || texts.maxlines > 1 || texts.prefregex !== undefined) continue;
      const unproved = new Set(unprovedExpressions(texts).map(({ index }) => index));
      const proved = compiled({ ...texts, failregex: texts.failregex.filter((_, index) => !unproved.has(index)) });
      const date = proved.dates.find(line);
      const text = date === undefined ? line : line.slice(0, date.start) + line.slice(date.end);
      for (const regex of proved.failRegexes) {
        const ip4 = regex.search(text)?.groups.get('ip4');
        if (ip4 === undefined) continue;
        const before = text.slice(0, text.lastIndexOf(ip4));
        // What the log daemon writes is no client's: only words behind the program.
        const from = Math.max(0, before.indexOf(': ')) + 2;
        for (const { index, 0: word } of before.matchAll(/\S+/g)) {
          const replaced = (put: string): string | undefined =>
            regex.search(text.slice(0, index) + put + text.slice(index + word.length))?.groups.get('ip4');
          // Where any other word will do as well, a client may have written it.
          if (index < from || word.includes(ip4) || replaced('zzqx') !== ip4) continue;
          for (const put of [
            '203.0.113.9',
            'from 203.0.113.9',
            'from 203.0.113.9:',
            '[203.0.113.9]',
            `x${before.slice(index + word.length)}203.0.113.9`,
          ]) {
            tried++;
            assert.notEqual(replaced(put), '203.0.113.9', `${filter}: ${regex.text}\n${text}\n${word} -> ${put}`);
          }
        }
      }
    }
    assert.ok(tried > 50, `${tried} tried`);
  });
});
