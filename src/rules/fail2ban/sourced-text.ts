/** Where a line of a configuration stands. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A value that still knows where each of its lines was written, through every substitution. */
export interface SourcedText {
  readonly text: string;
  /** One for each line of the text. */
  readonly places: readonly [Place, ...Place[]];
}

/** Longest value after substitution, in UTF-16 code units: ten lines that each name the line before twice grow without end. */
export const maxValueLength = 1 << 20;

export function sourced(text: string, place: Place): SourcedText {
  const places: [Place, ...Place[]] = [place];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) places.push(place);
  return { text, places };
}

/**
 * Puts `inner` in the place of `host.text` from `start` to `end`. A line that was the reference and nothing else now comes from where
 * the inner text was written, and so do all whole lines of it; other lines stay where they were.
 */
export function splice(host: SourcedText, start: number, end: number, inner: SourcedText): SourcedText {
  const { text } = host;
  const line = countLines(text, start);
  const endLine = line + countLines(text.slice(start, end), end - start);
  const opensLine = start === 0 || text[start - 1] === '\n';
  const closesLine = end === text.length || text[end] === '\n';
  const [first, ...rest] = inner.places;
  const middle: [Place, ...Place[]] = [opensLine && (rest.length > 0 || closesLine) ? first : (host.places[line] ?? first), ...rest];
  if (rest.length > 0 && !closesLine) middle[middle.length - 1] = host.places[endLine] ?? first;
  const [head, ...tail] = [...host.places.slice(0, line), ...middle, ...host.places.slice(endLine + 1)];
  return { text: text.slice(0, start) + inner.text + text.slice(end), places: [head ?? first, ...tail] };
}

/** The lines of a value with their places, as far as they are not empty. */
export function linesOf({ text, places }: SourcedText): readonly { readonly text: string; readonly place: Place }[] {
  return text.split('\n').flatMap((line, index) => (line === '' ? [] : [{ text: line, place: places[index] ?? places[0] }]));
}

/** The place of the line that holds the offset. */
export function placeAt({ text, places }: SourcedText, offset: number): Place {
  return places[countLines(text, offset)] ?? places[0];
}

function countLines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
