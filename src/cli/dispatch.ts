import { RefusalError } from '../control/protocol.ts';
import { NotReachableError } from '../control/unreachable.ts';
import { printable } from '../diagnostic.ts';
import { didYouMean } from '../model/spelling.ts';
import type { Command } from './command.ts';
import { commands } from './commands.ts';
import { exit, UsageError } from './exit.ts';
import { formatCommandHelp, formatOverview } from './help.ts';
import { parseArguments } from './parse-arguments.ts';
import { paintFor } from './paint.ts';

/** What users of other tools type first. */
const otherWords: Readonly<Record<string, string>> = {
  start: 'run',
  server: 'run',
  daemon: 'run',
  banned: 'list',
  bans: 'list',
  decisions: 'list',
  banip: 'ban',
  block: 'ban',
  unbanip: 'unban',
  unblock: 'unban',
  addignoreip: 'allow',
  allowlist: 'allow',
  whitelist: 'allow',
  log: 'events',
  logs: 'events',
  tail: 'events',
  why: 'explain',
  regex: 'test',
  validate: 'check',
  migrate: 'import',
  convert: 'import',
  lint: 'check',
  stats: 'status',
};

/**
 * Runs one command line.
 *
 * @param words without node and the script
 * @returns the exit code
 */
export async function dispatch(words: readonly string[]): Promise<number> {
  endQuietlyWithReader();
  const [first, ...rest] = words;
  if (first === undefined || first === '--help' || first === '-h') return help([]);
  if (first === 'help') return help(rest);
  if (first === '--version' || first === '-V' || first === 'version') {
    const { readVersion } = await import('../version.ts');
    process.stdout.write(`sluice ${readVersion()}\n`);
    return exit.ok;
  }
  const command = commands.find(({ name }) => name === first);
  if (command === undefined) return complain('', unknownCommand(first), 'sluice help');
  return runCommand(command, rest);
}

async function runCommand(command: Command, words: readonly string[]): Promise<number> {
  try {
    const given = parseArguments(command, words);
    if (given === 'help') return help([command.name]);
    if (command.handlesInterrupt !== true) process.once('SIGINT', () => process.exit(exit.interrupted));
    return await command.run(given);
  } catch (error) {
    if (error instanceof UsageError) return complain(command.name, error.message, `sluice help ${command.name}`);
    if (error instanceof NotReachableError) {
      process.stderr.write(`sluice ${command.name}: ${error.message}\n`);
      return exit.unreachable;
    }
    if (error instanceof RefusalError) {
      process.stderr.write(`sluice ${command.name}: ${printable(error.message)}\n`);
      return error.code === 'usage' || error.code === 'unknown_jail' ? exit.usage : exit.failed;
    }
    // Not foreseen, so a mistake of ours: the stack is what a report of it needs.
    process.stderr.write(`sluice ${command.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exit.failed;
  }
}

function help(words: readonly string[]): number {
  const paint = paintFor(process.stdout);
  const [name] = words;
  if (name === undefined) {
    process.stdout.write(formatOverview(commands, paint));
    return exit.ok;
  }
  const command = commands.find((each) => each.name === name);
  if (command === undefined) return complain('', unknownCommand(name), 'sluice help');
  process.stdout.write(formatCommandHelp(command, paint));
  return exit.ok;
}

function unknownCommand(word: string): string {
  const names = commands.map(({ name }) => name);
  const meant = Object.hasOwn(otherWords, word) ? otherWords[word] : undefined;
  const hint = meant !== undefined && names.includes(meant) ? `; here it is "sluice ${meant}"` : didYouMean(word, names);
  return `there is no command "${printable(word.slice(0, 64))}"${hint}`;
}

function complain(name: string, message: string, see: string): number {
  process.stderr.write(`sluice${name === '' ? '' : ` ${name}`}: ${message}\nSee: ${see}\n`);
  return exit.usage;
}

/** `sluice list | head` is no fault: when the reader has gone, so do we. */
function endQuietlyWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(exit.ok);
      throw error;
    });
  }
}
