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
export const maxValueLength = 1 << 18;

/** What all the steps of substituting one value may write, in UTF-16 code units, so that what is thrown away again is bounded too. */
export const maxWrittenLength = 1 << 23;

export function sourced(text: string, place: Place): SourcedText {
  const places: [Place, ...Place[]] = [place];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) places.push(place);
  return { text, places };
}

/** Text that takes the place of `text.slice(start, end)`. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly inner: SourcedText;
}

/**
 * Puts other values into a value. A line that was the reference and nothing else now comes from where the inner text was written, and so do all
 * whole lines of it; other lines stay where they were.
 *
 * @param replacements from the left to the right, without overlap
 */
export function replaceParts(host: SourcedText, replacements: readonly Replacement[]): SourcedText {
  const [opening] = host.places;
  const finished: Place[] = [];
  const parts: string[] = [];
  let current: Place = opening;
  let line = 0;
  let at = 0;
  const copy = (end: number) => {
    parts.push(host.text.slice(at, end));
    for (let found = host.text.indexOf('\n', at); found !== -1 && found < end; found = host.text.indexOf('\n', found + 1)) {
      finished.push(current);
      current = host.places[++line] ?? opening;
    }
    at = end;
  };
  for (const { start, end, inner } of replacements) {
    copy(start);
    const opensLine = start === 0 || host.text[start - 1] === '\n';
    const closesLine = end === host.text.length || host.text[end] === '\n';
    line += countLines(host.text.slice(start, end), end - start);
    const last = inner.places.at(-1) ?? opening;
    if (inner.places.length > 1) {
      finished.push(opensLine ? inner.places[0] : current, ...inner.places.slice(1, -1));
      current = closesLine ? last : (host.places[line] ?? opening);
    } else if (opensLine && closesLine) current = last;
    parts.push(inner.text);
    at = end;
  }
  copy(host.text.length);
  const [first, ...rest] = [...finished, current];
  return { text: parts.join(''), places: [first, ...rest] };
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
