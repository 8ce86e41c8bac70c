import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { provePattern } from '../../src/rules/native/pattern-proof.ts';
import { parsePattern } from '../../src/rules/native/pattern-syntax.ts';
import type { Hole, Part } from '../../src/rules/native/pattern-syntax.ts';

/** Lines as the daemons write them of a client that wants somebody else to be named: made of the patterns of the shipped rules themselves. */

/** Whom the attacker wants banned. */
export const victim = '203.0.113.66';
export const attacker = '192.0.2.4';

const folder = join(import.meta.dirname, '../../rules');
export const rules = loadRules([folder]);

/** Text of every pattern of a shipped filter, its exceptions and what it remembers. */
function patternTexts(file: string): readonly string[] {
  const rule: {
    patterns: Record<string, string | { pattern: string }>;
    except?: string[];
    remember?: Record<string, string>;
    success?: string[];
  } = parse(readFileSync(file, 'utf8'));
  const patterns = Object.values(rule.patterns).map((value) => (typeof value === 'string' ? value : value.pattern));
  return [...patterns, ...(rule.except ?? []), ...Object.values(rule.remember ?? {}), ...(rule.success ?? [])];
}

/** How a line is made of a pattern: whose address, what the client said, which optional parts are there. */
export interface Filling {
  readonly address: string;
  readonly said: readonly string[];
  readonly optional: readonly boolean[];
}

const samples: Readonly<Record<string, string>> = {
  ip: '198.51.100.7',
  host: 'mail.example',
  int: '5',
  port: '40112',
  num: '0.2',
  word: 'RCPT',
  code: '554',
  dsn: '5.7.1',
  qid: '4b2KxT1Nq9z6tmV',
};

export function written(parts: readonly Part[], filling: Filling): string {
  let holes = 0;
  let optionals = 0;
  const hole = ({ type }: Hole): string => {
    const said = filling.said[holes++ % filling.said.length] ?? '';
    if (type.kind === 'words') return type.words[said.length % type.words.length] ?? '';
    if (type.kind === 'own') return 'Disconnected';
    if (type.kind === 'text') return said;
    if (type.class === 'addr') return filling.address;
    // The client chooses some words as well, as far as a word goes.
    return type.class === 'word' && holes % 2 === 1 ? said.replaceAll(/[ \t]/g, '_') : (samples[type.class] ?? '');
  };
  const part = (one: Part): string => {
    if (one.kind === 'literal') return one.text;
    if (one.kind === 'hole') return hole(one);
    return filling.optional[optionals++ % filling.optional.length] === true ? one.parts.map(part).join('') : '';
  };
  return parts.map(part).join('');
}

const tricks: readonly string[] = [
  `x[${victim}]`,
  `x[${victim}]:25: 554 5.7.1 <a>: Relay access denied`,
  ` from x[${victim}]`,
  ` from x[${victim}]; from=<a>`,
  ` from ${victim} port 22 ssh2`,
  ` rhost=${victim}`,
  ` rhost=${victim}  user=root`,
  `x rhost=${victim}`,
  `x rhost=${victim}  user=${'A'.repeat(250)}`,
  `>, rip=${victim}, lip=198.51.100.7, session=<x>`,
  ` at ${victim}`,
  victim,
  ` ${victim} port 22 [preauth]`,
  `[${victim}]:25`,
  `\n${victim}`,
  `... from x[${victim}]`,
];

/** No daemon, relay or socket cuts a message shorter than this. What is proved from the left may be cut anywhere. */
export const shortestCut = 800;

/** Every pattern, exception, memory and success of every shipped rule. */
export const texts = rules.files
  .flatMap(({ file }) => patternTexts(file))
  .map((text) => {
    const { syntax } = parsePattern(text);
    return { parts: syntax.parts, shortest: provePattern(syntax, 'address').proof === 'right' ? shortestCut : 0 };
  });
/** Also what 5424 senders leave of the tag. */
export const programs = [...new Set([...rules.filters.flatMap((filter) => filter.programs), 'postfix'])];
const fake = fc
  .tuple(fc.constantFrom(...texts), fc.array(fc.boolean(), { minLength: 4, maxLength: 8 }))
  .map(([{ parts }, optional]) => written(parts, { address: victim, said: ['x', '>'], optional }));
const words = fc.array(
  fc.oneof(fake, fc.constantFrom(...tricks), fc.constantFrom(' ', '>: ', 'a', ']', '"', ': ', 'A'.repeat(700), 'A'.repeat(1_900))),
  {
    minLength: 1,
    maxLength: 4,
  },
);
/** What a client says in each place that is his. */
export const said = fc.array(
  words.map((list) => list.join('')),
  { minLength: 1, maxLength: 4 },
);
