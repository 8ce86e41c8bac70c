import { formatTarget, parseTarget } from '../control/target.ts';
import { printable } from '../diagnostic.ts';
import { UsageError } from './exit.ts';

const limits = { stdinBytes: 8 * 1024 * 1024, targets: 100_000, mistakesShown: 10 } as const;

/**
 * Addresses and networks from the command line, in canonical form; `-` stands for stdin, one on each line, where blank lines and what
 * follows `#` do not count. One bad entry and nothing is done: half a list would be worse than none.
 *
 * @throws {UsageError} naming the bad ones, those of stdin with their line number
 */
export async function readTargets(operands: readonly string[], stdin: AsyncIterable<Buffer | string>): Promise<readonly string[]> {
  const targets: string[] = [];
  const mistakes: string[] = [];
  const take = (text: string, place: string): void => {
    const target = parseTarget(text);
    if (target === undefined) mistakes.push(`${place}"${printable(text.slice(0, 64))}" is not an address or network${hint(text)}`);
    else targets.push(formatTarget(target));
  };
  if (operands.filter((operand) => operand === '-').length > 1) throw new UsageError('"-" (stdin) can be read only once');
  for (const operand of operands) {
    if (operand !== '-') take(operand, '');
    else for (const { text, number } of await readEntries(stdin)) take(text, `stdin line ${number}: `);
  }
  if (mistakes.length > 0) {
    const more = mistakes.length > limits.mistakesShown ? `\nand ${mistakes.length - limits.mistakesShown} more` : '';
    throw new UsageError(`${mistakes.slice(0, limits.mistakesShown).join('\n')}${more}`);
  }
  if (targets.length > limits.targets) throw new UsageError(`${targets.length} addresses at once; at most ${limits.targets} are taken`);
  if (targets.length === 0) throw new UsageError('stdin holds no address');
  return targets;
}

/** What people often write instead. */
function hint(text: string): string {
  if (/^0\d|\.0\d/.test(text)) return ': a number with a leading zero means octal to some programs, write it without';
  if (text.includes('%')) return ': without its zone, the part from "%" on';
  if (/^::ffff:.*\//i.test(text)) return ': write the IPv4 network instead';
  if (/^\[.*\]/.test(text) || /^\d+\.\d+\.\d+\.\d+:\d+$/.test(text)) return ': without brackets and port';
  if (/^[a-z][\w.-]*$/i.test(text)) return ': names are not looked up';
  return '';
}

async function readEntries(stdin: AsyncIterable<Buffer | string>): Promise<readonly { readonly text: string; readonly number: number }[]> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > limits.stdinBytes) throw new UsageError(`stdin is longer than ${limits.stdinBytes} bytes; give the addresses in parts`);
    chunks.push(part);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .split('\n')
    .map((line, index) => ({ text: line.replace(/#.*/, '').trim(), number: index + 1 }))
    .filter(({ text }) => text !== '');
}
