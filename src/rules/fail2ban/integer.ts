import { strip } from './ini-file.ts';

/** A whole number as Python's int() takes it: a sign, digits, single underscores between them. @returns undefined for anything else, and beyond 2^53 */
export function parseInteger(text: string): number | undefined {
  const digits = strip(text);
  if (!/^[+-]?\d+(?:_\d+)*$/.test(digits)) return undefined;
  const value = Number(digits.replaceAll('_', ''));
  return Number.isSafeInteger(value) ? value : undefined;
}
