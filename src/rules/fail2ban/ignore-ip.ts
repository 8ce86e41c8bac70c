import type { Prefix } from '../../model/address.ts';
import { parseNetwork } from '../../model/network-text.ts';
import type { SourcedText } from './sourced-text.ts';
import { type Place, placeAt } from './sourced-text.ts';

/** One entry of `ignoreip`, `written` as it stands there. */
export type IgnoreEntry = { readonly written: string; readonly place: Place } & (
  | { readonly kind: 'network'; readonly prefix: Prefix }
  /** A DNS name: whatever it resolves to is ignored. */
  | { readonly kind: 'name' }
  /** A file with one entry a line, read again when it changes (fail2ban 1.1). */
  | { readonly kind: 'file'; readonly path: string }
  /** Neither an address nor a name: fits nothing. */
  | { readonly kind: 'unknown' }
);

/** Entries are separated by spaces, commas or line ends. */
export function parseIgnoreIp(value: SourcedText): readonly IgnoreEntry[] {
  return [...value.text.matchAll(/[^ ,\n]+/g)].flatMap(({ 0: written, index }) => {
    const word = written.trim();
    return word === '' ? [] : [parseEntry(word, placeAt(value, index))];
  });
}

function parseEntry(written: string, place: Place): IgnoreEntry {
  if (written.startsWith('file:')) return { kind: 'file', path: written.replace(/^file:(?:\/\/)?/, ''), written, place };
  const prefix = parseNetwork(written);
  if (prefix !== undefined) return { kind: 'network', prefix, written, place };
  return { kind: /^(?=.*[a-z])[\w-]+(?:\.[\w-]+)*\.?$/i.test(written) ? 'name' : 'unknown', written, place };
}
