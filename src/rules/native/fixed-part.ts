import { isAddressText } from '../../model/address.ts';
import { holeClasses, literalSource, runSource } from './pattern-classes.ts';
import type { Hole, Part } from './pattern-syntax.ts';
import { startsApart } from './start-set.ts';

/** What one fixed part found at its place. */
export interface Fit {
  readonly start: number;
  readonly end: number;
  /** By `Capture.group`; undefined where an optional part was skipped. */
  readonly groups: readonly (string | undefined)[];
}

/** A group of the expression whose text matters. */
export interface Capture {
  readonly group: number;
  readonly name: string | undefined;
  /** Whether it is the offender's address, which must be a real one. */
  readonly role: 'addr' | 'plain';
}

/** What stands between two holes of any text: its length has a bound, so one try at one place costs a bounded amount of work. */
export interface FixedPart {
  readonly captures: readonly Capture[];
  /** The expression; tests look at its quantifiers. */
  readonly source: string;
  /** The one try: does the whole part fit here? */
  readonly at: (text: string, place: number) => Fit | undefined;
  /** The first place from `from` on. */
  readonly first: (text: string, from: number) => Fit | undefined;
  /** The last place, not before `from`. */
  readonly last: (text: string, from: number) => Fit | undefined;
}

/**
 * Compiles what stands between two holes of any text into one small expression.
 *
 * Nothing in it is tried twice at one place: a run never holds the character behind it, and where a choice could be undone by what
 * follows, it is sealed in a lookahead with a backreference (what other dialects call an atomic group).
 *
 * @param ended the message must end behind the part
 */
export function compileFixedPart(parts: readonly Part[], ended: boolean): FixedPart {
  const [only] = parts;
  if (parts.length === 1 && only?.kind === 'literal' && !ended) return literalPart(only.text);

  const writer = new SourceWriter();
  const source = writer.sequence(parts, ended ? ['end'] : []) + (ended ? '$' : '');
  const here = new RegExp(source, 'y');
  const anywhere = new RegExp(source, 'g');
  const { captures } = writer;
  const lead = only?.kind === 'literal' ? only.text : '';

  const addressGroup = captures.find(({ role }) => role === 'addr')?.group;

  const fit = (match: RegExpExecArray): Fit | undefined => {
    const address = addressGroup === undefined ? undefined : match[addressGroup];
    if (address !== undefined && !isAddressText(address)) return undefined;
    return { start: match.index, end: match.index + match[0].length, groups: match };
  };
  const at = (text: string, place: number): Fit | undefined => {
    here.lastIndex = place;
    const match = here.exec(text);
    return match === null ? undefined : fit(match);
  };
  const first = (text: string, from: number): Fit | undefined => {
    let place = from;
    while (place <= text.length) {
      anywhere.lastIndex = place;
      const match = anywhere.exec(text);
      if (match === null) return undefined;
      const found = fit(match);
      if (found !== undefined) return found;
      place = match.index + 1;
    }
    return undefined;
  };
  const firstByLead = (text: string, from: number): Fit | undefined => {
    for (let place = text.indexOf(lead, from); place !== -1; place = text.indexOf(lead, place + 1)) {
      const found = at(text, place);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const last = (text: string, from: number): Fit | undefined => {
    for (let place = text.length; place >= from; place--) {
      if (lead !== '') place = text.lastIndexOf(lead, place);
      if (place < from) return undefined;
      const found = at(text, place);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return { captures, source, at, first: lead === '' ? first : firstByLead, last };
}

function literalPart(literal: string): FixedPart {
  const found = (place: number): Fit | undefined =>
    place === -1 ? undefined : { start: place, end: place + literal.length, groups: noGroups };
  return {
    captures: [],
    source: literalSource(literal),
    at: (text, place) => (text.startsWith(literal, place) ? found(place) : undefined),
    first: (text, from) => found(text.indexOf(literal, from)),
    last: (text, from) => {
      const place = text.lastIndexOf(literal);
      return place < from ? undefined : found(place);
    },
  };
}

const noGroups: Fit['groups'] = [];

/** What may stand behind a part: another part, or the message's end. */
export type Following = Part | 'end';

class SourceWriter {
  readonly captures: Capture[] = [];
  private groups = 0;

  sequence(parts: readonly Part[], behind: readonly Following[]): string {
    return parts.map((part, index) => this.part(part, [...parts.slice(index + 1), ...behind])).join('');
  }

  private part(part: Part, behind: readonly Following[]): string {
    if (part.kind === 'literal') return literalSource(part.text);
    if (part.kind === 'hole') return this.hole(part, behind);
    const skip = (): string => `(?:${this.sequence(part.parts, behind)})?`;
    return behind.length === 0 || startsApart(part.parts, behind) ? skip() : this.sealed(skip);
  }

  private hole(hole: Hole, behind: readonly Following[]): string {
    const { type } = hole;
    const [next] = behind;
    if (type.kind === 'text' || type.kind === 'own') return this.capture(hole, '[^]*');
    if (type.kind === 'words') {
      const nested = type.words.some((word) => type.words.some((other) => other !== word && other.startsWith(word)));
      const source = (): string => this.capture(hole, type.words.map(literalSource).join('|'));
      return nested && behind.length > 0 ? this.sealed(source) : source();
    }
    const literal = next !== undefined && next !== 'end' && next.kind === 'literal' ? next.text : undefined;
    const shape = holeClasses[type.class];
    if (shape.kind === 'shape') {
      const source = (): string => this.capture(hole, shape.source);
      const clear = literal === undefined ? next === undefined || next === 'end' : /^[^0-9]/.test(literal);
      return clear ? source() : this.sealed(source);
    }
    const run = (without: string | undefined): string => this.capture(hole, `(?:${runSource(shape.set, without)}){1,${shape.most}}`);
    if (type.class !== 'addr' && type.class !== 'ip') {
      if (literal !== undefined) return run(literal[0]);
      return next === undefined || next === 'end' ? run(undefined) : this.sealed(() => run(undefined));
    }
    // An address must not end in the middle of a word: `192.0.2.1-x.example` is a name. A literal behind it says what stands there.
    if (literal === undefined) return this.sealed(() => `${run(undefined)}(?![0-9A-Za-z_%.:-])`);
    // Colons and dots belong to addresses, so `{addr}: ` reaches to the last place within its run where the literal stands.
    if (/^[:.][^0-9A-Fa-f:.]/.test(literal)) return this.sealed(() => `${run(undefined)}(?=${literalSource(literal)})`);
    return run(literal[0]);
  }

  private capture({ name, type }: Hole, source: string): string {
    const role = type.kind === 'class' && type.class === 'addr' ? 'addr' : 'plain';
    if (name === undefined && role === 'plain') return `(?:${source})`;
    this.groups++;
    this.captures.push({ group: this.groups, name, role });
    return `(${source})`;
  }

  /** What is taken here is kept, whatever follows. */
  private sealed(source: () => string): string {
    this.groups++;
    const group = this.groups;
    return `(?=(${source()}))(?:\\${group})`;
  }
}
