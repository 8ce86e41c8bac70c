import type { Diagnostic } from '../../diagnostic.ts';
import type { Place } from './sourced-text.ts';

/** What keeps one filter, action or jail from being used. Whoever owns the jail catches it and disables that jail alone. */
export class Mistake extends Error {
  readonly diagnostic: Diagnostic;

  constructor(place: Place, message: string, help?: string) {
    super(`${place.file}:${place.line}: ${message}`);
    this.name = 'Mistake';
    this.diagnostic = diagnosticAt(place, message, { help });
  }
}

export function diagnosticAt(
  { file, line, column }: Place,
  message: string,
  { help, severity = 'error' }: { readonly help?: string | undefined; readonly severity?: Diagnostic['severity'] } = {},
): Diagnostic {
  return { file, line, column, length: 1, message, help, severity };
}
