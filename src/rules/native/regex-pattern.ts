import { parseAddress } from '../../model/address.ts';
import type { Pattern, PatternMatch } from '../../model/filter.ts';
import { copied, hasBytes } from './message-text.ts';
import { longestWholeBytes } from './pattern-compile.ts';
import type { Proof } from './pattern-proof.ts';
import type { PatternMistake } from './pattern-syntax.ts';
import { linearMistakes } from './regex-linear.ts';
import { parseRegex } from './regex-syntax.ts';
import type { Item } from './regex-syntax.ts';

export interface RegexSettings {
  readonly name: string;
  readonly follows: boolean;
  readonly unproved: boolean;
  readonly cutBytes: number | undefined;
}

export interface RegexPattern {
  /** undefined if there are mistakes. */
  readonly pattern: Pattern | undefined;
  readonly proof: Proof;
  readonly mistakes: readonly PatternMistake[];
}

/**
 * Compiles the escape hatch of a rule file, `regex: '^... <ADDR> ...'`: JavaScript's dialect without lookaround and backreferences, on the
 * message, anchored, and refused unless it is linear by a simple criterion (see regex-linear.ts).
 *
 * Proofs are those of patterns; a part that takes any number of spaces counts as the client's text.
 */
export function compileRegexPattern(text: string, { name, follows, unproved, cutBytes }: RegexSettings): RegexPattern {
  const { items: read, ended, mistakes } = parseRegex(text);
  const items = read.flatMap(withoutGroup);
  if (mistakes.length > 0) return refused(mistakes);
  const shape = [...addressMistakes(items, text), ...linearMistakes(items, ended)];
  if (shape.length > 0) return refused(shape);
  const { proof, mistake } = prove(items, ended);
  if (mistake !== undefined && !unproved) return refused([mistake]);

  const place = items.find((item) => item.kind === 'address');
  const nextChar = charBehind(items);
  const boundary = nextChar === undefined ? '(?![0-9A-Za-z_%.:-])' : '';
  const source =
    place === undefined ? text : `${text.slice(0, place.start)}(?<${addressGroup}>[0-9A-Fa-f:.]{2,45})${boundary}${text.slice(place.end)}`;
  const expression = new RegExp(source);
  const whole = proof === 'right' ? Math.min(cutBytes ?? longestWholeBytes, longestWholeBytes) : Infinity;
  const match = (message: string): PatternMatch | undefined => {
    if (whole !== Infinity && hasBytes(message, whole)) return undefined;
    const { groups } = expression.exec(message) ?? {};
    const address = groups?.[addressGroup];
    if (groups === undefined || address === undefined || parseAddress(address) === undefined) return undefined;
    const captures = Object.entries(groups).filter(([name, value]) => name !== addressGroup && value !== undefined);
    return { address: copied(address, message), captures: new Map(captures.map(([name, value]) => [name, copied(value, message)])) };
  };
  const literal = longestLiteral(items);
  return { pattern: { name, literals: literal === '' ? [] : [literal], follows, address: { kind: 'own' }, match }, proof, mistakes: [] };
}

function refused(mistakes: readonly PatternMistake[]): RegexPattern {
  return { pattern: undefined, proof: 'none', mistakes };
}

/** A group that is always there and has no choice, such as one that captures, changes nothing of what fits. */
function withoutGroup(item: Item): readonly Item[] {
  const [only, other] = item.kind === 'group' && !item.optional ? item.alternatives : [];
  return only !== undefined && other === undefined ? only.flatMap(withoutGroup) : [item];
}

/** No name that a person gives a group. */
const addressGroup = '__address';

const addressChars = /^[0-9A-Fa-f:.]$/;

function addressMistakes(items: readonly Item[], text: string): readonly PatternMistake[] {
  const places = addressesIn(items);
  const [place, second] = places;
  const help = 'write <ADDR> where the address of the offender stands';
  if (place === undefined)
    return [{ start: 0, end: Math.max(1, text.length), message: 'the expression names nobody: it has no <ADDR>', help }];
  if (second !== undefined)
    return [
      {
        ...second,
        message: 'a second <ADDR>: the offender is named once',
        help: 'write [0-9a-f:.]+ for an address that is not the offender',
      },
    ];
  const index = items.indexOf(place);
  if (index === -1) return [{ ...place, message: 'the address stands inside a group, and may be missing', help: 'write two patterns' }];
  const before = items[index - 1];
  const open = before !== undefined && (before.kind !== 'chars' || before.least !== 1 || before.most !== 1);
  if (open)
    return [{ ...place, message: 'nothing marks where the address begins', help: 'put one fixed character directly before <ADDR>' }];
  const [behind, after] = items.slice(index + 1);
  if (behind === undefined) return [];
  if (behind.kind === 'chars' && behind.least > 0 && !canBeAddress(behind)) return [];
  const colon = behind.kind === 'chars' && behind.least === 1 && behind.most === 1 && /^[:.]$/.test(behind.char ?? '');
  if (colon && after?.kind === 'chars' && after.least > 0 && !canBeAddress(after)) return [];
  if (behind.kind === 'group' && startsOf(behind).every((item) => item?.kind === 'chars' && item.least > 0 && !canBeAddress(item)))
    return [];
  return [
    {
      ...place,
      message: 'where the address ends is not certain: what stands behind it could be part of an address',
      help: 'put a fixed character behind <ADDR> that no address has, or end the expression',
    },
  ];
}

function startsOf(group: Extract<Item, { kind: 'group' }>): readonly (Item | undefined)[] {
  return group.alternatives.map((alternative) => alternative[0]);
}

function canBeAddress(item: Item): boolean {
  return item.kind !== 'chars' || item.set.some((held, code) => held && addressChars.test(String.fromCharCode(code)));
}

/** The fixed character behind the address, if there is one: then it says itself where the address ends. */
function charBehind(items: readonly Item[]): string | undefined {
  const behind = items[items.findIndex((item) => item.kind === 'address') + 1];
  return behind?.kind === 'chars' && behind.least > 0 ? behind.char : undefined;
}

function prove(items: readonly Item[], ended: boolean): { readonly proof: Proof; readonly mistake: PatternMistake | undefined } {
  const index = items.findIndex((item) => item.kind === 'address');
  const [first, second] = items.slice(0, index).flatMap(anyTextIn);
  const [behind] = items.slice(index + 1).flatMap(anyTextIn);
  if (first === undefined) return { proof: 'left', mistake: undefined };
  const span = { start: first.start, end: first.end };
  const help =
    'end the expression with "$" and let nothing behind <ADDR> take spaces, or say "unproved: true", which "sluice check" reports';
  const moved = (why: string): { proof: Proof; mistake: PatternMistake } => ({
    proof: 'none',
    mistake: { ...span, message: `a client could move this address: ${why}`, help },
  });
  if (second !== undefined) return moved('two parts that take any text stand before <ADDR>');
  if (!ended) return moved('this part takes any text before <ADDR>, and the expression does not end in "$"');
  if (behind !== undefined) return moved('parts that take any text stand before <ADDR> and behind it');
  return { proof: 'right', mistake: undefined };
}

function anyTextIn(item: Item): readonly Item[] {
  if (item.kind === 'group') return item.alternatives.flat().flatMap(anyTextIn);
  return item.kind === 'chars' && item.most > 1 && item.set[' '.charCodeAt(0)] === true ? [item] : [];
}

function addressesIn(items: readonly Item[]): readonly Item[] {
  return items.flatMap((item) => (item.kind === 'address' ? [item] : item.kind === 'group' ? item.alternatives.flatMap(addressesIn) : []));
}

function longestLiteral(items: readonly Item[]): string {
  let best = '';
  let run = '';
  for (const item of items) {
    run = item.kind === 'chars' && item.char !== undefined && item.least === 1 && item.most === 1 ? run + item.char : '';
    if (run.length > best.length) best = run;
  }
  return best;
}
