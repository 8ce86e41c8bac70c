import type { FrameBatch } from '../frame/framer.ts';

/** A usual turn of the event loop brings 32 datagrams at most. The longest there are fit in, too: 65,507 bytes over IPv4. */
const roomBytes = 65_536;

/**
 * Messages that came one by one, from one sender each time: they lie in one buffer, so that they are counted and searched at once. For each by
 * itself that costs more than the search.
 *
 * @typeParam From whose they are; compared by identity
 */
export class DatagramBatch<From> {
  readonly #take: (frames: FrameBatch, from: From) => void;
  readonly #room = Buffer.allocUnsafeSlow(roomBytes);
  #from: From | undefined;
  #spans: number[] = [];
  #end = 0;

  /** @param take is called before anything of somebody else comes in, and before there is no room. It is lent the bytes for the call only. */
  constructor(take: (frames: FrameBatch, from: From) => void) {
    this.#take = take;
  }

  /** Copies the first `length` bytes. */
  add(datagram: Buffer, length: number, from: From): void {
    if (from !== this.#from || this.#end + length > roomBytes) {
      this.flush();
      this.#from = from;
    }
    const start = this.#end;
    this.#end += datagram.copy(this.#room, start, 0, length);
    this.#spans.push(start, this.#end);
  }

  /** Hands over what is in it, if anything. */
  flush(): void {
    const from = this.#from;
    if (from === undefined) return;
    const spans = this.#spans;
    this.#from = undefined;
    this.#spans = [];
    this.#end = 0;
    this.#take({ bytes: this.#room, spans }, from);
  }
}
