import { printable } from '../diagnostic.ts';
import type { Command } from './command.ts';
import { exit, UsageError } from './exit.ts';

/** Prints the completion script of a shell, made from the command table. @returns the exit code */
export function completion(shell: string, commands: readonly Command[]): number {
  const script = scripts[shell];
  if (script === undefined) throw new UsageError(`"${printable(shell.slice(0, 64))}" is not a shell with completions: bash, zsh or fish?`);
  process.stdout.write(script(commands));
  return exit.ok;
}

const scripts: Readonly<Record<string, ((commands: readonly Command[]) => string) | undefined>> = { bash, zsh, fish };

/** Words offered behind a command: its options; files are left to the shell. */
function words({ flags }: Command): readonly string[] {
  return [...flags.flatMap(({ name, short }) => (short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`])), '--help'];
}

function bash(commands: readonly Command[]): string {
  const names = [...commands.map(({ name }) => name), 'help'];
  return `# sluice completion for bash
_sluice() {
  local word=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = help ]; }; then
    words='${names.join(' ')}'
  else
    case \${COMP_WORDS[1]} in
${commands.map((command) => `      ${command.name}) words='${words(command).join(' ')}' ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _sluice sluice
`;
}

function zsh(commands: readonly Command[]): string {
  return `#compdef sluice
# sluice completion for zsh
_sluice() {
  if (( CURRENT == 2 )) || { (( CURRENT == 3 )) && [[ $words[2] == help ]]; }; then
    local -a commands=(
${commands.map(({ name, about }) => `      ${quoted(`${name}:${about}`)}`).join('\n')}
    )
    _describe command commands
    return
  fi
  case $words[2] in
${commands.map((command) => `    ${command.name}) compadd -- ${words(command).join(' ')} ;;`).join('\n')}
  esac
  _files
}
compdef _sluice sluice
`;
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap(({ name, about, flags }) => [
    `complete -c sluice -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
    ...flags.map(({ name: flag, short, value, about: what }) =>
      [
        `complete -c sluice -n ${quoted(`__fish_seen_subcommand_from ${name}`)} -l ${flag}`,
        ...(short === undefined ? [] : [`-s ${short}`]),
        ...(value === undefined ? [] : ['-r']),
        `-d ${quoted(what)}`,
      ].join(' '),
    ),
  ]);
  return `# sluice completion for fish\n${lines.join('\n')}\n`;
}

/** For all three shells; a quote within is closed, escaped and opened again. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
