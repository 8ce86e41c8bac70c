import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { exit } from '../cli/exit.ts';
import type { ImportOptions } from '../cli/options.ts';
import { paintFor } from '../cli/paint.ts';
import { formatDiagnostics, printable } from '../diagnostic.ts';
import { foreignJailText } from '../config/foreign-jail-text.ts';
import { portTexts } from '../config/in-force.ts';
import { parseConfig } from '../config/parse.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import { fail2banDialect } from '../rules/fail2ban/dialect.ts';
import { serverOf } from '../rules/fail2ban/foreign-jails.ts';
import { carriedOf, type Finding, findingsOf, incrementOf } from '../rules/fail2ban/import-findings.ts';
import type { F2bJail } from '../rules/fail2ban/jail-file.ts';
import { type Fail2ban, loadFail2ban } from '../rules/fail2ban/load-fail2ban.ts';
import { toForeignJail } from '../rules/fail2ban/to-foreign-jail.ts';
import { unprovedDiagnostics } from '../rules/fail2ban/unproved.ts';
import { formatImport, type ImportedJail, importJson, type ImportReport, isWhole } from './import-report.ts';

/** `sluice import fail2ban [DIR]`: what of a directory of fail2ban carries over. @returns exit code: 3 if not everything does */
export function importFail2ban({ dir, write, json }: ImportOptions): number {
  const root = resolve(dir);
  const refused = unreadable(root) ?? (write === undefined ? undefined : unwritable(write));
  if (refused !== undefined) return complain(refused);
  const nowMs = Date.now();
  const read = loadFail2ban(root);
  if (read.jails.length + read.disabled.length === 0) {
    const errors = read.diagnostics.filter(({ severity }) => severity === 'error');
    return complain(errors.length > 0 ? formatDiagnostics(errors, read.texts) : nothingEnabled(read));
  }
  const imported = importJails(read, nowMs);
  const text = write === undefined ? undefined : configurationText(root, imported, brokenJails(read), nowMs);
  const report: ImportReport = {
    dir: root,
    jails: [...imported.map(({ jail }) => ({ ...jail, written: write !== undefined && jail.written })), ...brokenJails(read)],
    findings: read.diagnostics.map(({ file, line, message }) => ({ fate: 'differs', file, line, message })),
    target: text === undefined ? undefined : write,
  };
  if (write !== undefined) {
    if (text === undefined) process.stderr.write(`sluice: none of the jails can be written, so ${write} was not made\n`);
    else {
      // wx: between the look and now somebody else may have made it.
      try {
        writeFileSync(write, text, { flag: 'wx' });
      } catch (error) {
        return complain(`${write} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(importJson(report), undefined, 2)}\n`);
  else process.stdout.write(formatImport(report, paintFor(process.stdout)));
  return isWhole(report) ? exit.ok : exit.findings;
}

interface Imported {
  readonly jail: ImportedJail;
  /** How it is written below `jails:`; undefined: it cannot be. */
  readonly text: string | undefined;
}

function importJails(read: Fail2ban, nowMs: number): readonly Imported[] {
  const server = serverOf(read);
  return read.jails.map((jail) => {
    const { foreign, differences } = toForeignJail(jail, { actions: [], ...server, random: Math.random });
    const findings = [...findingsOf(jail, differences, nowMs)];
    // Where it is enabled.
    const { file, line } = foreign;
    if (foreign.jail.closes === false) {
      findings.push({ fate: 'directory', file, line, message: 'none of its actions closes a port: as a native jail it only observes' });
    }
    const broken = findings.some(({ fate }) => fate === 'lost');
    const text = nativeText(jail, foreign, findings, server.purgeageMs);
    const refused = nativeMistakes(text, nowMs);
    // What fail2ban's own files may say and ours not; what is broken anyway has been said.
    if (!broken)
      for (const message of refused)
        findings.push({ fate: 'directory', file, line, message: `cannot be written as a native jail: ${message}` });
    const imported: ImportedJail = {
      name: jail.name,
      file,
      line,
      filterFiles: jail.filter.files,
      carried: carriedOf(jail, portsText(foreign)),
      findings,
      unproved: unprovedDiagnostics(jail.filter, jail.logtimezone).map((each) => ({
        file: each.file,
        line: each.line,
        message: each.message,
      })),
      written: refused.length === 0,
    };
    return { jail: imported, text: refused.length === 0 ? text : undefined };
  });
}

function portsText({ jail: { ports, closes } }: ForeignJail): string {
  if (closes === false) return '';
  const texts = portTexts(ports);
  if (texts === 'all' || ports.kind === 'all') return 'all';
  const numbers = new Set(texts.map((text) => String(text).replace('/udp', '')));
  return `${[...numbers].join(' ')} (${ports.protocol === 'both' ? 'tcp and udp' : ports.protocol})`;
}

function nativeText(jail: F2bJail, foreign: ForeignJail, findings: readonly Finding[], purgeageMs: number): string {
  const left = findings
    .filter(({ fate }) => fate === 'directory' || fate === 'lost')
    .map(({ message, file, line }) => `left out: ${message} (${file}:${line})`);
  const comments = [`${foreign.file}:${foreign.line}, filter ${jail.filter.files.join(', ') || 'in the jail itself'}`, ...left];
  return foreignJailText(foreign, incrementOf(jail, purgeageMs), comments);
}

/** Why a jail cannot stand in a configuration, in the words of its reader: so what is written is always valid. */
function nativeMistakes(text: string, nowMs: number): readonly string[] {
  const reading = parseConfig([{ path: '', text: `jails:\n${text}` }], {
    filters: [],
    brokenFilters: [],
    services: '',
    dialect: fail2banDialect({ nowMs, random: Math.random }),
    syslogUid: undefined,
    uid: 0,
    env: {},
  });
  return reading.kind === 'config' ? [] : reading.diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
}

function brokenJails({ disabled }: Fail2ban): readonly ImportedJail[] {
  return disabled.map(({ jail: name, diagnostics }) => {
    const [{ file, line } = { file: '', line: 0 }] = diagnostics;
    const findings = diagnostics.map((each) => ({ fate: 'lost' as const, file: each.file, line: each.line, message: each.message }));
    return { name, file, line, filterFiles: [], carried: [], findings, unproved: [], written: false };
  });
}

/** @returns undefined if there is no jail to write */
function configurationText(dir: string, imported: readonly Imported[], broken: readonly ImportedJail[], nowMs: number): string | undefined {
  const blocks = imported.flatMap(({ text }) => (text === undefined ? [] : [text]));
  if (blocks.length === 0) return undefined;
  const missing = [...imported.flatMap(({ text, jail }) => (text === undefined ? [jail] : [])), ...broken].map(
    ({ name, file, line, findings }) => {
      const why = findings.find(({ fate }) => fate === 'lost') ?? findings.findLast(({ fate }) => fate === 'directory');
      return `# Not written: ${printable(`${name} (${file}:${line}): ${why?.message ?? 'see the report'}`)}\n`;
    },
  );
  return [
    `# Written by "sluice import fail2ban ${printable(dir)}" on ${new Date(nowMs).toISOString().slice(0, 10)}.\n`,
    '# The jails decide as they did there. What each left out stands above it. docs/configuration.md tells what else can stand here.\n',
    ...missing,
    '\njails:\n',
    blocks.join('\n'),
  ].join('');
}

/** Why a directory cannot be read; undefined: it can. */
function unreadable(dir: string): string | undefined {
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found === undefined) return `${dir}: there is no such directory; name the one that holds jail.conf, such as /etc/fail2ban`;
  if (!found.isDirectory())
    return `${dir} is a file: name the directory that holds jail.conf${/jail\.(?:conf|local)$/.test(dir) ? `, ${dirname(dir)}` : ''}`;
  try {
    accessSync(dir, constants.R_OK | constants.X_OK);
  } catch {
    return `${dir} may not be read by this user (uid ${process.getuid?.() ?? 0})`;
  }
  return undefined;
}

function unwritable(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return `--write ${file}: is a directory; name a file in it, such as ${join(file, 'sluice.yaml')}`;
  if (found !== undefined) return `--write ${file}: is there already, and is not overwritten; name another file, or move it away`;
  const parent = dirname(resolve(file));
  return statSync(parent, { throwIfNoEntry: false })?.isDirectory() === true
    ? undefined
    : `--write ${file}: there is no directory ${parent}`;
}

function nothingEnabled({ dir, names }: Fail2ban): string {
  const [first = 'sshd'] = names;
  const listed = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  return `no jail is enabled in ${dir}; ${listed}\n  help: enable those that you want, in ${join(dir, 'jail.d/local.conf')}: [${first}] and below it "enabled = true"`;
}

function complain(why: string): number {
  process.stderr.write(`sluice: ${why}\n`);
  return exit.failed;
}
