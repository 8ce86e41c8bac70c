/** `name[key=value, key="with, comma"][key='..']`: how a jail names its filter and its actions. */
export interface Reference {
  readonly name: string;
  readonly options: ReadonlyMap<string, string>;
}

const optionName = /[\p{L}\p{N}_.-]+(?==)/uy;

/**
 * @param text one reference, as splitReferences gives it
 * @returns the mistake, as text, if the options cannot be read
 */
export function parseReference(text: string): Reference | string {
  const open = text.indexOf('[');
  if (open === -1) return text === '' ? 'the name is missing' : { name: text.trimEnd(), options: new Map() };
  const body = text.trimEnd();
  if (open === 0) return 'the name before "[" is missing';
  if (!body.endsWith(']')) return 'the "[" is not closed by a "]" at the end';
  const options = readOptions(body.slice(open + 1, -1));
  return typeof options === 'string' ? options : { name: body.slice(0, open), options };
}

function readOptions(text: string): ReadonlyMap<string, string> | string {
  const options = new Map<string, string>();
  let at = skipSpace(text, 0);
  while (at < text.length) {
    if (text[at] === ',' && skipSpace(text, at + 1) === text.length) break;
    optionName.lastIndex = at;
    const name = optionName.exec(text)?.[0];
    if (name === undefined) return `"name=value" was expected, found "${text.slice(at, at + 25)}"`;
    at += name.length + 1;
    const quote = text[at];
    const closing = quote === '"' || quote === "'" ? text.indexOf(quote, at + 1) : -1;
    const end = closing === -1 ? endOfBare(text, at) : closing;
    options.set(name, (closing === -1 ? text.slice(at, end) : text.slice(at + 1, end)).trim());
    const behind = endOfSeparator(text, closing === -1 ? end : end + 1);
    if (behind === undefined) {
      const rest = text.slice(closing === -1 ? end : end + 1);
      return `"," or "]" was expected behind ${name}, found "${rest.slice(0, 25)}"; a value with "," or "]" needs quotes`;
    }
    at = skipSpace(text, behind);
  }
  return options;
}

/** Where the next option may begin: behind a comma, behind `][`, at the end. */
function endOfSeparator(text: string, at: number): number | undefined {
  if (at === text.length || text[at] === ',') return Math.min(text.length, at + 1);
  const [between] = /^\]\s*\[/.exec(text.slice(at)) ?? [];
  return between === undefined ? undefined : at + between.length;
}

function endOfBare(text: string, from: number): number {
  let end = from;
  while (end < text.length && text[end] !== ',' && text[end] !== ']') end++;
  return end;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpaceAt(text, at)) at++;
  return at;
}

/**
 * The references of an `action =`, which stand behind each other with space between, and may have their options on several lines.
 *
 * @returns each with its offset in the text
 */
export function splitReferences(text: string): readonly { readonly text: string; readonly offset: number }[] {
  const found: { readonly text: string; readonly offset: number }[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const end = endOfReference(text, at);
    found.push({ text: text.slice(at, end).trim(), offset: at });
    at = skipSpace(text, end);
  }
  return found;
}

/** Behind `name` and, if well-formed options follow, behind them. Else the word as it stands: parseReference then says what is wrong. */
function endOfReference(text: string, from: number): number {
  let name = from;
  while (name < text.length && text[name] !== '[' && !isSpaceAt(text, name)) name++;
  const open = skipSpace(text, name);
  const end = name > from && text[open] === '[' ? endOfOptions(text, open + 1) : undefined;
  if (end !== undefined) return end;
  let word = from;
  while (word < text.length && !isSpaceAt(text, word)) word++;
  return word;
}

/**
 * The last "]" that may end the options: with space or nothing behind it. A bare value may hold quotes and brackets, and needs no comma behind it
 * where the next `name=` is plain to see; so every place where an option may begin is followed up.
 */
function endOfOptions(text: string, from: number): number | undefined {
  let end: number | undefined;
  const starts = new Set([skipSpace(text, from)]);
  // A set goes on to what is added to it meanwhile.
  for (const start of starts) {
    if (text[start] === ']' && (start + 1 === text.length || isSpaceAt(text, start + 1))) end = Math.max(end ?? 0, start + 1);
    const value = endOfName(text, start);
    if (value === undefined) continue;
    for (const valueEnd of valueEnds(text, value)) {
      const behind = skipSpace(text, valueEnd);
      starts.add(behind);
      if (text[behind] === ',') starts.add(skipSpace(text, behind + 1));
      const next = skipSpace(text, behind + 1);
      if (text[behind] === ']' && text[next] === '[') starts.add(skipSpace(text, next + 1));
    }
  }
  return end;
}

/** Behind `name=`. */
function endOfName(text: string, at: number): number | undefined {
  optionName.lastIndex = at;
  const name = optionName.exec(text)?.[0];
  return name === undefined ? undefined : at + name.length + 1;
}

/** Where a value may end: behind its closing quote; at the comma or bracket behind it; before the `name=` of the next option. */
function* valueEnds(text: string, from: number): Generator<number> {
  const quote = text[from];
  const closing = quote === '"' || quote === "'" ? text.indexOf(quote, from + 1) : -1;
  if (closing !== -1) yield closing + 1;
  const end = endOfBare(text, from);
  yield end;
  for (let equals = text.indexOf('=', from); equals !== -1 && equals < end; equals = text.indexOf('=', equals + 1)) {
    let name = equals;
    while (name > from && isNameAt(text, name - 1)) yield --name;
  }
}

function isNameAt(text: string, at: number): boolean {
  return /[\p{L}\p{N}_.-]/u.test(text.charAt(at));
}

function isSpaceAt(text: string, at: number): boolean {
  return /\s/.test(text.charAt(at));
}
