import type { Command, CommandGroup, Flag } from './command.ts';
import type { Paint } from './paint.ts';
import { usageOf } from './parse-arguments.ts';

const groups: readonly { readonly group: CommandGroup; readonly title: string }[] = [
  { group: 'work', title: 'Run it, and try rules on old logs' },
  { group: 'look', title: 'Look at the running daemon' },
  { group: 'act', title: 'Act' },
  { group: 'shell', title: 'For the shell' },
];

/** `sluice help`: one line for each command. */
export function formatOverview(commands: readonly Command[], paint: Paint): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const blocks = groups.flatMap(({ group, title }) => {
    const rows = commands.filter((command) => command.group === group);
    return rows.length === 0
      ? []
      : [[paint('heading', title), ...rows.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`)].join('\n')];
  });
  return `${[
    'sluice reads mail and system logs as they are written and shuts abusers out with nftables.',
    'Usage: sluice COMMAND [OPTIONS]',
    ...blocks,
    'More: sluice help COMMAND. Version: sluice --version.',
  ].join('\n\n')}\n`;
}

/** `sluice help COMMAND`. */
export function formatCommandHelp(command: Command, paint: Paint): string {
  const names = command.flags.map(nameOf);
  const width = Math.max(0, ...names.map((name) => name.length));
  const options = command.flags.map(({ about }, index) => `  ${(names[index] ?? '').padEnd(width)}  ${about}`);
  const blocks = [`Usage: ${paint('heading', usageOf(command))}`, command.about, ...command.details];
  if (options.length > 0) blocks.push([paint('heading', 'Options'), ...options].join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

function nameOf({ short, name, value }: Flag): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}
