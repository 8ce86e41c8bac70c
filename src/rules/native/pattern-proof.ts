import type { Hole, Optional, Part, PatternMistake, PatternSyntax } from './pattern-syntax.ts';

/**
 * Why the client cannot choose the address.
 *
 * `left`: nothing that the client says stands before it. `right`: it is found from the message's end, and nothing that the client says
 * stands behind it. `none`: the pattern has no address of its own; another line remembers it.
 */
export type Proof = 'left' | 'right' | 'none';

/** What the pattern must name. `remembered`: the address comes from an earlier line with the same key. */
export type Wanted = 'address' | 'remembered' | 'nothing';

export interface Proved {
  readonly proof: Proof;
  readonly mistakes: readonly PatternMistake[];
}

/**
 * Proves that no client can move the address, and that every hole's end is defined.
 *
 * @returns all mistakes at once; without mistakes the proof holds.
 * @see docs/patterns.md, "Why a pattern is refused"
 */
export function provePattern(syntax: PatternSyntax, wanted: Wanted): Proved {
  const mistakes = [...misplacedAnything(syntax.parts), ...unendedHoles(syntax.parts), ...insideOptionals(syntax.parts)];
  const places = syntax.parts.flatMap((part, index) => (isAddress(part) ? [index] : []));
  const [place, second] = places;
  if (second !== undefined) {
    mistakes.push(
      mistake(
        syntax.parts[second],
        'a second address: the offender is named once',
        'write {other:ip} for an address that is not the offender',
      ),
    );
  }
  if (place === undefined) {
    if (wanted === 'address' && !mentionsAddress(syntax.parts)) mistakes.push(namesNobody(syntax));
    return { proof: 'none', mistakes };
  }
  // An exception may hold an address: it names nobody.
  if (wanted === 'nothing') return { proof: 'none', mistakes };
  if (wanted === 'remembered') {
    const message = 'the address is said twice: here, and by "address: remember..."';
    return { proof: 'none', mistakes: [...mistakes, mistake(syntax.parts[place], message, 'write {other:ip} here, or remove "address:"')] };
  }
  const { proof, mistake: moved } = proveAddress(syntax, place);
  if (moved !== undefined) mistakes.push(moved);
  return { proof, mistakes };
}

/** Whether the part is a hole that takes anything: `text` or `own`. */
export function isAnything(part: Part | undefined): part is Hole {
  return part?.kind === 'hole' && (part.type.kind === 'text' || part.type.kind === 'own');
}

export function isText(part: Part | undefined): part is Hole {
  return part?.kind === 'hole' && part.type.kind === 'text';
}

export function isAddress(part: Part | undefined): boolean {
  return part?.kind === 'hole' && part.type.kind === 'class' && part.type.class === 'addr';
}

/** All holes, those of optional parts too, in the order of the text. */
export function holesOf(parts: readonly Part[]): readonly Hole[] {
  return parts.flatMap((part) => (part.kind === 'hole' ? [part] : part.kind === 'optional' ? holesOf(part.parts) : []));
}

/** What proveAddress found: the proof, or why there is none. */
interface Moved {
  readonly proof: Proof;
  readonly mistake: PatternMistake | undefined;
}

function refused(part: Part | undefined, why: string, help: string): Moved {
  return { proof: 'none', mistake: mistake(part, `the client could move this address: ${why}`, help) };
}

function proveAddress(syntax: PatternSyntax, place: number): Moved {
  const { parts, ended } = syntax;
  const address = spelled(syntax, parts[place]);
  const before = parts.slice(0, place);
  const behind = parts.slice(place + 1);

  const bare = bareStart(before);
  if (bare !== undefined) {
    const message = `nothing marks where ${address} begins: ${spelled(syntax, bare)} stands directly before it`;
    return { proof: 'none', mistake: mistake(bare, message, 'put the text that stands between them in the message there') };
  }

  const [first, second] = before.filter(isText);
  if (first === undefined) return { proof: 'left', mistake: undefined };
  const name = spelled(syntax, first);
  if (second !== undefined) {
    const help =
      'only one hole of any text may stand before it; give the others a class, such as {x:word}, or {x:own} if the daemon itself wrote it';
    return refused(second, `${name} and ${spelled(syntax, second)} stand before ${address}`, help);
  }
  if (!ended) {
    const marker = literalBefore(before);
    const last = marker === undefined ? 'the last place' : `the last "${marker}"`;
    return refused(
      first,
      `${name} stands before ${address}, and the pattern does not end in "$"`,
      `end the pattern with "$", so that ${last} is taken: '${syntax.text}$'`,
    );
  }
  const text = behind.find(isText) ?? holesOf(behind).find(isText);
  if (text !== undefined) {
    const help = `give ${spelled(syntax, text)} a class, such as word, or "own" if the daemon itself wrote it: {${text.name ?? ''}:own}`;
    return refused(text, `${name} stands before ${address}, and ${spelled(syntax, text)} behind it`, help);
  }
  const hidden = behind.flatMap((part) => (part.kind === 'optional' ? holesOf(part.parts) : [])).find(isAnything);
  if (hidden !== undefined) {
    return refused(
      hidden,
      `behind ${name}, ${spelled(syntax, hidden)} stands in an optional part`,
      'let it close the pattern without the optional part: {rest:own}$',
    );
  }
  const between = parts.slice(parts.indexOf(first) + 1, -1).find(isAnything);
  if (between !== undefined) {
    return refused(
      between,
      `behind ${name}, ${spelled(syntax, between)} may only close the pattern`,
      'give it a class, or take the pattern apart into two',
    );
  }
  return { proof: 'right', mistake: undefined };
}

/** The hole that leaves open where the address begins, when no literal stands directly before it. */
function bareStart(before: readonly Part[]): Part | undefined {
  for (const part of before.toReversed()) {
    if (part.kind === 'literal') return undefined;
    if (part.kind === 'hole') return part;
  }
  return undefined;
}

function literalBefore(before: readonly Part[]): string | undefined {
  const last = before.findLast((part) => part.kind === 'literal');
  return last?.kind === 'literal' ? last.text : undefined;
}

/** `text` and `own` inside an optional part: only where it closes the pattern. */
function misplacedAnything(parts: readonly Part[], closes = true): PatternMistake[] {
  return parts.flatMap((part, index) => {
    const closesHere = closes && index === parts.length - 1;
    if (part.kind !== 'optional') return [];
    const inner = part.parts.flatMap((held, at) =>
      isAnything(held) && !(closesHere && at === part.parts.length - 1)
        ? [
            mistake(
              held,
              `{${held.name ?? ''}} takes any text inside an optional part that does not close the pattern`,
              'give it a class, such as {x:word}',
            ),
          ]
        : [],
    );
    return [...inner, ...misplacedAnything(part.parts, closesHere)];
  });
}

/** Two holes of any text with nothing fixed between them: nobody could say where the first one ends. */
function unendedHoles(parts: readonly Part[]): PatternMistake[] {
  const mistakes: PatternMistake[] = [];
  let open: Hole | undefined;
  for (const part of [...parts, undefined]) {
    const any = isAnything(part) ? part : part?.kind === 'optional' ? holesOf([part]).find(isAnything) : undefined;
    if (open !== undefined && any !== undefined) {
      mistakes.push(
        mistake(
          open,
          `nothing fixed stands between {${open.name ?? ''}} and {${any.name ?? ''}}`,
          'put the text between them there, or make them one hole',
        ),
      );
    }
    if (isAnything(part)) open = part;
    else if (part !== undefined && part.kind !== 'optional') open = undefined;
  }
  return mistakes;
}

function insideOptionals(parts: readonly Part[]): PatternMistake[] {
  return parts
    .filter((part): part is Optional => part.kind === 'optional')
    .flatMap((part) => holesOf(part.parts))
    .filter(isAddress)
    .map((hole) =>
      mistake(hole, 'the address stands in an optional part, and may be missing', 'write two patterns: one with it, and one without'),
    );
}

function mentionsAddress(parts: readonly Part[]): boolean {
  return holesOf(parts).some(isAddress);
}

function namesNobody({ text }: PatternSyntax): PatternMistake {
  const help = 'put {addr} where the address stands, or {client} for name[address], or say "address: remember.NAME"';
  return { start: 0, end: Math.max(1, text.length), message: 'the pattern names nobody: it has neither {addr} nor {client}', help };
}

function mistake(part: Part | undefined, message: string, help: string | undefined): PatternMistake {
  return { start: part?.start ?? 0, end: part?.end ?? 1, message, help };
}

/** The hole as its author wrote it. */
function spelled({ text }: PatternSyntax, part: Part | undefined): string {
  return part === undefined ? '' : text.slice(part.start, part.end);
}
