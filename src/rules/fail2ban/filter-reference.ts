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
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
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
  while (name < text.length && text[name] !== '[' && !/\s/.test(text.charAt(name))) name++;
  const open = skipSpace(text, name);
  if (name > from && text[open] === '[') {
    const end = endOfOptions(text, open + 1);
    if (end !== undefined && (end === text.length || /\s/.test(text.charAt(end)))) return end;
  }
  let word = from;
  while (word < text.length && !/\s/.test(text.charAt(word))) word++;
  return word;
}

function endOfOptions(text: string, from: number): number | undefined {
  let at = skipSpace(text, from);
  while (at < text.length && text[at] !== ']') {
    optionName.lastIndex = at;
    const name = optionName.exec(text)?.[0];
    if (name === undefined) return undefined;
    at += name.length + 1;
    const quote = text[at];
    const closing = quote === '"' || quote === "'" ? text.indexOf(quote, at + 1) : -1;
    at = skipSpace(text, closing === -1 ? endOfBare(text, at) : closing + 1);
    if (text[at] === ',') at = skipSpace(text, at + 1);
    else {
      const [between] = /^\]\s*\[/.exec(text.slice(at)) ?? [];
      if (between !== undefined) at = skipSpace(text, at + between.length);
    }
  }
  return at < text.length ? at + 1 : undefined;
}
