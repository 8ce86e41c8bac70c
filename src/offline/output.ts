import { once } from 'node:events';

/** So much is turned into bytes at once, in UTF-16 code units: text that is joined stays in pieces until then. */
const pieceLength = 4 * 1024;
/** So much is written at once. */
const writeBytes = 256 * 1024;

/** Text on its way to stdout. */
export class Output {
  #text = '';
  #bytes = Buffer.allocUnsafeSlow(writeBytes);
  #used = 0;
  #drained: Promise<unknown> | undefined;

  add(text: string): void {
    this.#text += text;
    if (this.#text.length >= pieceLength) this.#encode();
  }

  /** @returns what has to be waited for: nothing is written before the loop turns, so all of it would be kept */
  flush(): Promise<void> | undefined {
    const drained = this.#drained;
    if (drained === undefined) return undefined;
    return drained.then(() => {
      this.#drained = undefined;
    });
  }

  end(): void {
    this.#encode();
    this.#write();
  }

  #encode(): void {
    const text = this.#text;
    this.#text = '';
    // A code unit is at most three bytes.
    if (text.length * 3 > writeBytes) {
      this.#write();
      process.stdout.write(text);
      return;
    }
    if (text.length * 3 > writeBytes - this.#used) this.#write();
    this.#used += this.#bytes.write(text, this.#used);
  }

  #write(): void {
    if (this.#used === 0) return;
    const room = process.stdout.write(this.#bytes.subarray(0, this.#used));
    // The other is lent to the stream until it is written.
    this.#bytes = Buffer.allocUnsafeSlow(writeBytes);
    this.#used = 0;
    if (!room) this.#drained ??= once(process.stdout, 'drain');
  }
}
