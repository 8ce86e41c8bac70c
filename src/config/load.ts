import { isUtf8 } from 'node:buffer';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Diagnostic } from '../diagnostic.ts';
import type { ForeignDialect } from '../model/foreign-dialect.ts';
import { builtInConfig } from '../package-files.ts';
import { type Machine, machineLayer } from './built-in.ts';
import { type ConfigContext, type ConfigReading, parseConfig } from './parse.ts';
import { wholeFile } from './part.ts';
import { configPath } from './paths.ts';
import type { KnownFilter } from './resolve-jails.ts';
import type { SourceFile } from './tree.ts';

/** A larger file is not a configuration; an allowlist of 100,000 networks is 2 MB. */
const maxFileBytes = 4 * 1024 * 1024;

/** What the configuration needs to know of the rules. */
export interface KnownRules {
  readonly filters: readonly KnownFilter[];
  /** Names of filters whose file has mistakes of its own. */
  readonly brokenFilters: readonly string[];
  readonly dialect: ForeignDialect;
}

export interface LoadedConfig {
  readonly reading: ConfigReading;
  /** The configuration file; undefined: the built-in defaults. */
  readonly path: string | undefined;
  /** Texts of all files that were read, by their paths, for formatDiagnostics. */
  readonly texts: ReadonlyMap<string, string>;
}

/** The file to read: what `-c` says, else /etc/sluice/sluice.yaml; undefined if that is not there: the built-in defaults. */
export function findConfig(given: string | undefined): string | undefined {
  return given ?? (existsSync(configPath) ? configPath : undefined);
}

/** Reads a configuration file and conf.d/*.yaml beside it. What cannot be read becomes a mistake among the others. */
export function loadConfig(path: string, rules: KnownRules): LoadedConfig {
  return finish(path, [...readText(path), ...readDropIns(join(dirname(path), 'conf.d'))], rules);
}

/** The defaults that are built in, fitted to this machine, with /etc/sluice/conf.d/*.yaml over them. */
export function loadBuiltIn(machine: Machine, rules: KnownRules): LoadedConfig {
  const layers = [...readText(builtInConfig), machineLayer(machine), ...readDropIns(join(dirname(configPath), 'conf.d'))];
  return finish(undefined, layers, rules);
}

/** Those of the usual log files that are there and can be read: for the built-in defaults, where the journal cannot. */
export function readableLogFiles(): readonly string[] {
  return ['/var/log/mail.log', '/var/log/maillog', '/var/log/auth.log', '/var/log/secure'].filter((path) => {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function finish(path: string | undefined, read: readonly (SourceFile | Diagnostic)[], rules: KnownRules): LoadedConfig {
  const files = read.filter((each) => 'text' in each);
  const unread = read.filter((each) => 'message' in each);
  const texts = new Map(files.map((file) => [file.path, file.text]));
  // Without its main file a configuration lacks nearly everything: to say so for each key helps nobody.
  if (unread.some(({ file, severity }) => file === path && severity === 'error'))
    return { reading: { kind: 'mistakes', diagnostics: unread }, path, texts };
  const reading = parseConfig(files, context(rules));
  if (unread.length === 0) return { reading, path, texts };
  if (reading.kind === 'mistakes') return { reading: { ...reading, diagnostics: [...unread, ...reading.diagnostics] }, path, texts };
  if (unread.some(({ severity }) => severity === 'error')) {
    return { reading: { kind: 'mistakes', diagnostics: [...unread, ...reading.warnings] }, path, texts };
  }
  return { reading: { ...reading, warnings: [...unread, ...reading.warnings] }, path, texts };
}

function context({ filters, brokenFilters, dialect }: KnownRules): ConfigContext {
  const [, syslogUid] = /^syslog:[^:]*:(\d+):/m.exec(readOptional('/etc/passwd')) ?? [];
  return {
    filters,
    brokenFilters,
    dialect,
    services: readOptional('/etc/services'),
    syslogUid: syslogUid === undefined ? undefined : Number(syslogUid),
    uid: process.getuid?.() ?? 0,
    env: process.env,
  };
}

/** '' if it is not there: small images have neither /etc/services nor a user `syslog`. */
function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** conf.d/*.yaml in the order of their names' bytes; hidden files are not read. */
function readDropIns(directory: string): readonly (SourceFile | Diagnostic)[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? [] : [fault(directory, because(error), undefined)];
  }
  return names
    .filter((name) => !name.startsWith('.'))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .flatMap((name) => {
      const path = join(directory, name);
      if (name.endsWith('.yaml')) return readText(path);
      if (!name.endsWith('.yml')) return [];
      return [
        {
          ...fault(path, 'is not read: its name does not end in ".yaml"', `mv ${path} ${path.replace(/yml$/, 'yaml')}`),
          severity: 'warning',
        } as const,
      ];
    });
}

/** One file, or what is wrong with it. */
function readText(path: string): readonly (SourceFile | Diagnostic)[] {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > maxFileBytes) return [fault(path, `is ${size} bytes long; a configuration has at most ${maxFileBytes}`, undefined)];
    bytes = readFileSync(path);
  } catch (error) {
    return [fault(path, because(error), helpAgainst(error, path))];
  }
  if (!isUtf8(bytes)) return [notUtf8(path, bytes)];
  // The decoder also takes a byte order mark away, which would move each column of the first line.
  return [{ path, text: new TextDecoder().decode(bytes) }];
}

function fault(path: string, message: string, help: string | undefined): Diagnostic {
  return { ...wholeFile(path), message, help, severity: 'error' };
}

function notUtf8(path: string, bytes: Buffer): Diagnostic {
  let line = 1;
  let start = 0;
  for (;;) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed === -1 ? bytes.length : feed;
    const text = bytes.subarray(start, end);
    if (feed === -1 || !isUtf8(text)) {
      const column = text.toString('utf8').indexOf('\ufffd') + 1;
      return {
        file: path,
        line,
        column: Math.max(1, column),
        length: 1,
        message: 'this is not UTF-8',
        help: `most likely Latin-1: iconv -f latin1 -t utf8 ${path}`,
        severity: 'error',
      };
    }
    start = end + 1;
    line++;
  }
}

function because(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'is a directory, wanted a file';
  if (code === 'EACCES') return `may not be read by this user (uid ${process.getuid?.() ?? 0})`;
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

function helpAgainst(error: unknown, path: string): string | undefined {
  const code = codeOf(error);
  if (code === 'EISDIR') return `write ${join(path, 'sluice.yaml')}`;
  if (code !== 'ENOENT') return undefined;
  return `without -c, sluice reads ${configPath}, or takes its built-in defaults if that is not there; they are in ${builtInConfig}`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
