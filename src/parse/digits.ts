export const space = 0x20;

/** Whether a UTF-16 code unit is an ASCII digit; NaN (beyond the text) is none. */
export function digit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The digit at an index; -1 for anything else, also beyond the text. */
export function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39 ? code - 0x30 : -1;
}

/** -1 if there are not two digits. */
export function twoDigits(text: string, at: number): number {
  const tens = digitAt(text, at);
  const ones = digitAt(text, at + 1);
  return tens < 0 || ones < 0 ? -1 : tens * 10 + ones;
}

/** -1 if there are not four digits. */
export function fourDigits(text: string, at: number): number {
  const high = twoDigits(text, at);
  const low = twoDigits(text, at + 2);
  return high < 0 || low < 0 ? -1 : high * 100 + low;
}
