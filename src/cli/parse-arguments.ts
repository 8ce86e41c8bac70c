import { parseArgs } from 'node:util';
import { printable } from '../diagnostic.ts';
import { didYouMean } from '../model/spelling.ts';
import type { Command, Flag, Given } from './command.ts';
import { UsageError } from './exit.ts';

const helpFlag: Flag = { name: 'help', short: 'h', about: 'Show this.' };

/**
 * Checks the words behind a command's name against its row.
 *
 * parseArgs splits them; the checks are ours, because its own messages name no alternative.
 *
 * @returns 'help' if that was asked for, whatever else stands there
 * @throws {UsageError}
 */
export function parseArguments(command: Command, words: readonly string[]): Given | 'help' {
  const flags = [...command.flags, helpFlag];
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      flags.map(({ name, short, value }) => [
        name,
        {
          type: value === undefined ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  const mistakes: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === helpFlag.name) return 'help';
    const mistake = optionMistake(token, flags, values);
    if (mistake !== undefined) mistakes.push(mistake);
    values.set(token.name, [...(values.get(token.name) ?? []), token.value ?? '']);
  }
  const [mistake] = mistakes;
  if (mistake !== undefined) throw new UsageError(mistake);
  const { min, max, missing } = command.operands;
  if (operands.length < min) throw new UsageError(missing);
  if (operands.length > max) throw new UsageError(`"${printable(operands[max] ?? '')}" is one word too many; usage: ${usageOf(command)}`);
  return {
    operands,
    on: (flag) => values.has(flag),
    text: (flag) => values.get(flag)?.[0],
    texts: (flag) => values.get(flag) ?? [],
  };
}

/** `sluice ban ADDRESS[/LEN]... [--jail J]` */
export function usageOf({ name, usage }: Command): string {
  return `sluice ${name}${usage === '' ? '' : ` ${usage}`}`;
}

function optionMistake(
  { name, rawName, value, inlineValue }: { name: string; rawName: string; value: string | undefined; inlineValue: boolean | undefined },
  flags: readonly Flag[],
  before: ReadonlyMap<string, unknown>,
): string | undefined {
  const flag = flags.find((each) => each.name === name);
  if (flag === undefined) {
    const known = flags.map((each) => `--${each.name}`);
    return `there is no option ${printable(rawName)}${didYouMean(rawName, known)}`;
  }
  if (flag.value === undefined) return value === undefined ? undefined : `${rawName} takes no value`;
  if (value === undefined || value === '') return `${rawName} wants a value: ${rawName} ${flag.value}`;
  if (inlineValue !== true && value.length > 1 && value.startsWith('-')) {
    return `${rawName} wants a value, and "${printable(value)}" looks like an option; if it is meant, write --${name}=${printable(value)}`;
  }
  if (before.has(name) && flag.multiple !== true) return `${rawName} is given twice`;
  return undefined;
}
