import type { Pattern, PatternMatch } from '../../model/filter.ts';
import { compileFixedPart } from './fixed-part.ts';
import type { Fit, FixedPart } from './fixed-part.ts';
import { copied, hasBytes } from './message-text.ts';
import { headSource, requiredLiterals, tellingLiterals } from './pattern-literals.ts';
import { isAddress, isAnything } from './pattern-proof.ts';
import type { Proof } from './pattern-proof.ts';
import type { Hole, Part, PatternSyntax } from './pattern-syntax.ts';

/** What a rule file says of a pattern beside its text. */
export interface PatternSettings {
  readonly name: string;
  readonly follows: boolean;
  readonly address: Pattern['address'];
  /** A message of that many bytes or more was cut by its daemon; undefined: the file does not say. */
  readonly cutBytes: number | undefined;
}

/**
 * From this size on a message may have been cut on its way (1,024 octets with its header was all that RFC 3164 allowed; sshd cuts its own
 * messages at 1,023), so its end is where somebody wanted it to be: nothing is found from the right any more. In bytes.
 */
export const longestWholeBytes = 800;

/**
 * Compiles a pattern that was proved.
 *
 * Linear: each fixed part is tried at most once at each place, costs a bounded amount there, and no hole is ever given back.
 */
export function compilePattern(syntax: PatternSyntax, proof: Proof, settings: PatternSettings): Pattern {
  const { name, follows, address, cutBytes } = settings;
  const steps = stepsOf(syntax, proof, cutBytes !== undefined);
  const whole = proof === 'right' ? Math.min(cutBytes ?? longestWholeBytes, longestWholeBytes) : Infinity;
  const telling = tellingLiterals(syntax.parts);
  const match = (text: string): PatternMatch | undefined => {
    for (const literal of telling) {
      if (!text.includes(literal) && (cutBytes === undefined || !hasBytes(text, cutBytes))) return undefined;
    }
    if (whole !== Infinity && hasBytes(text, whole)) return undefined;
    const found = findSteps(steps, text, cutBytes);
    return found === undefined ? undefined : matchOf(steps, found, text);
  };
  const head = headSource(syntax.parts);
  return {
    name,
    literals: requiredLiterals(syntax.parts, cutBytes !== undefined),
    telling: { literals: telling, belowBytes: cutBytes ?? Infinity },
    follows,
    address,
    match,
    ...(head === undefined ? {} : { head }),
  };
}

/** A fixed part, and the hole of any text that stands before it. */
interface Step {
  readonly before: Hole | undefined;
  readonly part: FixedPart | undefined;
  readonly find: 'here' | 'first' | 'last' | 'rest';
  /** The text before the address, of which the last occurrence must be the one that was found; '' where any will do. */
  readonly marker: string;
  /** A cut message may end in the hole. */
  readonly cuttable: boolean;
}

interface Found {
  readonly fit: Fit | undefined;
  /** The text of the hole before it; -1: there is none. */
  readonly from: number;
  readonly to: number;
}

function stepsOf({ parts, ended }: PatternSyntax, proof: Proof, cut: boolean): readonly Step[] {
  const steps: Step[] = [];
  let before: Hole | undefined;
  let fixed: Part[] = [];
  let named = false;
  const push = (last: boolean): void => {
    const part = fixed.length === 0 ? undefined : compileFixedPart(fixed, last && ended);
    const fromRight = proof === 'right' && fixed.some(isAddress);
    const closing = fromRight && !last;
    steps.push({
      before,
      part,
      find: part === undefined ? 'rest' : before === undefined ? 'here' : fromRight ? 'last' : 'first',
      marker: closing ? literalBeforeAddress(fixed) : '',
      cuttable: cut && named && before?.type.kind === 'text',
    });
    named ||= fixed.some(isAddress);
    fixed = [];
  };
  for (const part of parts) {
    if (!isAnything(part)) {
      fixed.push(part);
      continue;
    }
    if (before !== undefined || fixed.length > 0) push(false);
    before = part;
  }
  push(true);
  return steps;
}

/** With the daemon's own words behind the address, the last place of the whole part is not enough: its marker must not come again. */
function literalBeforeAddress(parts: readonly Part[]): string {
  const literal = parts.slice(0, parts.findIndex(isAddress)).findLast((part) => part.kind === 'literal');
  return literal?.kind === 'literal' ? literal.text : '';
}

function findSteps(steps: readonly Step[], text: string, cutBytes: number | undefined): readonly Found[] | undefined {
  const found: Found[] = [];
  let at = 0;
  for (const { part, find, marker, cuttable } of steps) {
    if (part === undefined) {
      found.push({ fit: undefined, from: find === 'rest' ? at : -1, to: text.length });
      at = text.length;
      continue;
    }
    const fit = find === 'here' ? part.at(text, at) : find === 'first' ? part.first(text, at) : part.last(text, at);
    if (fit === undefined) {
      if (!cuttable || cutBytes === undefined || !hasBytes(text, cutBytes)) return undefined;
      found.push({ fit: undefined, from: at, to: text.length });
      return found;
    }
    if (marker !== '' && text.includes(marker, fit.end)) return undefined;
    found.push({ fit, from: find === 'here' ? -1 : at, to: fit.start });
    at = fit.end;
  }
  return found;
}

function matchOf(steps: readonly Step[], found: readonly Found[], text: string): PatternMatch {
  let address: string | undefined;
  const captures = new Map<string, string>();
  for (let index = 0; index < found.length; index += 1) {
    const step = steps[index];
    const { fit, from, to } = found[index] ?? noFound;
    if (step?.before?.name !== undefined && from !== -1) captures.set(step.before.name, copied(text.slice(from, to), text));
    if (step?.part === undefined || fit === undefined) continue;
    const named = step.part.captures;
    for (let at = 0; at < named.length; at += 1) {
      const capture = named[at];
      const value = capture === undefined ? undefined : fit.groups[capture.group];
      if (value === undefined || capture === undefined) continue;
      if (capture.role === 'addr') address = copied(value, text);
      else if (capture.name !== undefined) captures.set(capture.name, copied(value, text));
    }
  }
  return { address, captures };
}

const noFound: Found = { fit: undefined, from: -1, to: -1 };
