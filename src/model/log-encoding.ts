/**
 * The decoder that Node has for an encoding as fail2ban's `logencoding` names it: `utf-8`, `latin-1`, `cp1252`.
 *
 * @returns a label for TextDecoder, with `utf-8` for `auto` (fail2ban goes by the locale, which is UTF-8 nearly everywhere);
 *   undefined for an encoding that is not known
 */
export function decoderLabel(encoding: string): string | undefined {
  const name = encoding.trim().toLowerCase().replaceAll('_', '-');
  if (name === 'auto') return 'utf-8';
  // Python writes a hyphen where the registry of names has none.
  const label = name.replace(/^latin-(\d+)$/, 'latin$1').replace(/^(?:cp|windows-?)(125\d)$/, 'windows-$1');
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}
