import * as v from 'valibot';
import { shown } from './values.ts';

/** In ms. */
export const second = 1_000;
export const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;
export const week = 7 * day;
/** In bytes. */
export const KiB = 1_024;
export const MiB = 1_024 * KiB;

/** The meaning of a key, as the documentation has it. */
export function means<const Schema extends v.GenericSchema>(description: string, schema: Schema) {
  return v.pipe(schema, v.description(description));
}

/** A mapping with these keys. Unknown ones are found before this runs (shape.ts), which knows what was probably meant. */
export function section<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.strictObject(entries, ({ expected }) => `${expected ?? 'a key'} is missing`);
}

export function list<const Item extends v.GenericSchema>(item: Item) {
  return v.array(item, ({ input }) => `found ${shown(input)}, wanted a list`);
}
