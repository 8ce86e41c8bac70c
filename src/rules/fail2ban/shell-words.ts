/**
 * Splits text into words as a POSIX shell does, without any expansion: quotes, backslashes, white space between words.
 *
 * @returns the mistake, as text, if a quote stays open
 * @see Python's shlex.split, comments off
 */
export function splitWords(text: string): readonly string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (/[ \t\r\n]/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '\\') {
      if (at + 1 === text.length) return 'nothing stands behind the last backslash';
      word = (word ?? '') + text.charAt(++at);
    } else if (char === "'" || char === '"') {
      const quoted = readQuoted(text, at + 1, char);
      if (quoted === undefined) return `the quotation mark ${char} is not closed`;
      word = (word ?? '') + quoted.text;
      at = quoted.end;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** @returns the text, and where the closing quote stands */
function readQuoted(text: string, from: number, quote: string): { readonly text: string; readonly end: number } | undefined {
  let read = '';
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === quote) return { text: read, end: at };
    // Within double quotes a backslash hides only itself and the quote.
    if (char === '\\' && quote === '"' && /["\\]/.test(text.charAt(at + 1))) read += text.charAt(++at);
    else read += char;
  }
  return undefined;
}
