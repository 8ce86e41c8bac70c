/** V8 keeps a part of a string this long as a view of the whole; shorter ones are copied at once. */
const shortestView = 13;

/**
 * The same text in memory of its own: a part that outlives the line it was cut from would keep the whole line alive, up to 64 KiB for
 * an address.
 */
export function ownText(part: string): string {
  // Joining makes a new string, of which this is a view then: a third of what the way through a Buffer takes.
  return part.length < shortestView ? part : ` ${part}`.slice(1);
}
