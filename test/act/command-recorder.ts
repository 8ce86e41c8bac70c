import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../environment.ts';

/** A place where commands can be run without harm: programs are found in `bin` alone, and write down how they were called. */
export interface Recorder {
  /** To be the only directory in PATH. */
  readonly bin: string;
  /** Where programs write what they were given; in the environment, `RECORD`. */
  readonly record: string;
  /** Files of the commands themselves. */
  readonly scratch: string;
}

export interface Recorded {
  /** `NAME`, arguments, stdin; the programs of a pipe in any order. */
  readonly calls: readonly string[];
  /** Files of `scratch`. */
  readonly files: Readonly<Record<string, string>>;
}

/** They do what they do, after they have written down their arguments. */
const real = 'awk base64 cat cut expr grep head id perl rm sed tail touch tr truncate wc'.split(' ');
/** They write down what they were given, and do nothing. */
const faked =
  'apf apprise afctl conntrack curl dig file firewall-cmd geoiplookup iconv ip ipf ipfw ipset iptables ip6tables jq mail nft nginx npfctl nsupdate pfctl sendmail shorewall shorewall6 ss ufw wget whois'.split(
    ' ',
  );

export function createRecorder(dir: string): Recorder {
  const [bin, record, scratch] = [join(dir, 'bin'), join(dir, 'record'), join(dir, 'scratch')];
  mkdirSync(bin);
  const write = (name: string, text: string) => {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  };
  const start = '#!/bin/sh\nname=${0##*/}\nargs=$(printf "%s\\\\0" "$@" | /usr/bin/base64 -w0)\n';
  const end = 'read -r fail <"$RECORD.fail" || exit 0\ncase "$name $*" in $fail) /usr/bin/sed -i 1d "$RECORD.fail"; exit 1 ;; esac\n';
  for (const name of real) write(name, `${start}echo "$name $args" >>"$RECORD"\nexec ${program(name) ?? `/usr/bin/${name}`} "$@"\n`);
  for (const name of faked)
    write(name, `${start}input=$(/usr/bin/base64 -w0)\necho "$name $args $input" >>"$RECORD"\necho "said by $name"\n${end}`);
  // The same at any time and on any machine.
  write('date', `${start}echo "$name $args" >>"$RECORD"\ncase $1 in +%s) echo 1700000000 ;; *) echo "a date" ;; esac\n`);
  write('uname', '#!/bin/sh\necho mx.example\n');
  symlinkSync('/bin/sh', join(bin, 'sh'));
  reset({ bin, record, scratch });
  return { bin, record, scratch };
}

/** Forgets all calls and files. */
export function reset({ record, scratch }: Recorder): void {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  writeFileSync(record, '');
  writeFileSync(`${record}.fail`, '');
}

/** The next call that fits the first shell pattern (`ipset list *`) ends with 1; then the next that fits the second. */
export function failFor({ record }: Recorder, patterns: string): void {
  writeFileSync(`${record}.fail`, `${patterns}\n`);
}

/** What was called since this was last asked. */
export function take({ record, scratch }: Recorder): Recorded {
  const calls = callsOf(readFileSync(record, 'utf8').split('\n'));
  writeFileSync(record, '');
  const files = readdirSync(scratch, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(scratch, name)).isFile())
    .map((name) => [name, readFileSync(join(scratch, name), 'utf8')] as const);
  return { calls, files: Object.fromEntries(files) };
}

/** Lines of the record, readable. */
export function callsOf(lines: readonly string[]): readonly string[] {
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', args = '', input] = line.split(' ');
      const words = decode(args).split('\0').slice(0, -1);
      return [
        name,
        ...words.map((word) => JSON.stringify(word)),
        ...(input === undefined ? [] : [`< ${JSON.stringify(decode(input))}`]),
      ].join(' ');
    });
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString();
}
