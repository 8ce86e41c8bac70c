import { splitPrefix } from '../model/address.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Begin, Config, Place } from './config.ts';
import { type Parts, partsOf, wholeFile } from './part.ts';
import { socketPath, statePath, type Who } from './paths.ts';
import { type JailContext, resolveDefaults, resolveJails } from './resolve-jails.ts';
import { resolveSources } from './resolve-sources.ts';
import { schema } from './schema.ts';
import { checkShape, type Report } from './shape.ts';
import { keyAt, mergeTrees, type Path, parseTree, type SourceFile, type Tree, treeAt } from './tree.ts';

/** What a configuration depends on beyond its files. */
export interface ConfigContext extends Who, JailContext {
  /** Of the user `syslog`, if there is one: its daemon is believed over loopback. */
  readonly syslogUid: number | undefined;
}

/** Where the value at a path was written: `['jails', 'postfix', 'maxretry']`; undefined: nowhere, it is a default. */
export type Written = (path: Path) => Place | undefined;

export type ConfigReading =
  | { readonly kind: 'config'; readonly config: Config; readonly written: Written; readonly warnings: readonly Diagnostic[] }
  | { readonly kind: 'mistakes'; readonly diagnostics: readonly Diagnostic[] };

/** More at once help nobody. */
const maxMistakes = 100;

/** Where reading begins at most ago, unless a source says otherwise. */
const longestLookBackMs = 3_600_000;

/**
 * Reads a configuration: all files, all mistakes at once. Never throws, whatever the texts hold.
 *
 * @param files the main file first, then what is merged over it, in order: later scalars win, lists replace lists, mappings merge
 */
export function parseConfig(files: readonly SourceFile[], context: ConfigContext): ConfigReading {
  const diagnostics: Diagnostic[] = [];
  let tree: Tree | undefined;
  let broken = false;
  for (const file of files) {
    const parsed = parseTree(file, (mistake) => diagnostics.push(mistake));
    tree = mergeTrees(tree, parsed.tree);
    broken ||= parsed.broken;
  }
  // What a file that is not YAML was meant to say is guesswork, and so is what the others lack without it.
  if (broken) return { kind: 'mistakes', diagnostics };

  // One mistake often causes another at the same place: the first one is what to mend.
  const mistaken = new Set(diagnostics.map(({ file, line, column }) => `${file}:${line}:${column}`));
  const mistake: Report = (span, message, help) => {
    const place = `${span.file}:${span.line}:${span.column}`;
    if (mistaken.has(place) || mistaken.size >= maxMistakes) return;
    mistaken.add(place);
    diagnostics.push({ ...span, message, help, severity: 'error' });
  };
  const warning: Report = (span, message, help) => {
    diagnostics.push({ ...span, message, help, severity: 'warning' });
  };
  const empty: Tree = { kind: 'map', span: wholeFile(files[0]?.path ?? ''), entries: new Map() };
  const shaped = checkShape(tree ?? empty, mistake);
  const root = shaped.tree;
  if (tree !== undefined && tree.kind !== 'map') return { kind: 'mistakes', diagnostics };
  const config = resolve(partsOf(shaped, mistake, warning), context);
  if (config === undefined || diagnostics.some(({ severity }) => severity === 'error')) return { kind: 'mistakes', diagnostics };
  const written: Written = (path) => (treeAt(root, path)?.kind === 'map' ? keyAt(root, path) : treeAt(root, path)?.span);
  return { kind: 'config', config, written, warnings: diagnostics };
}

/** @returns undefined only after a mistake, which has been reported */
function resolve(parts: Parts, context: ConfigContext): Config | undefined {
  const { entries } = schema;
  const defaults = resolveDefaults(parts);
  const { jails, foreignJails } = resolveJails(parts, defaults ?? builtInDefaults, context);
  const sources = resolveSources(parts, { from: lookBack(jails), syslogUid: context.syslogUid });
  const enforce = parts.take(entries.enforce, ['enforce']);
  const metrics = parts.take(entries.metrics, ['metrics']);
  const control = parts.take(entries.control, ['control']);
  const state = parts.take(entries.state, ['state']);
  const limits = parts.take(entries.limits, ['limits']);
  const breaker = parts.take(entries.breaker, ['breaker']);
  const allowlist = resolveAllowlist(parts);
  const fail2ban = parts.take(entries.fail2ban, ['fail2ban']);
  if (defaults === undefined || sources === undefined || enforce === undefined || metrics === undefined) return undefined;
  if (control === undefined || state === undefined || limits === undefined || allowlist === undefined) return undefined;
  if (breaker === undefined) return undefined;
  return {
    sources,
    enforce: { mode: enforce.mode, setSize: enforce.set_size },
    metrics: metrics === 'off' ? undefined : metrics.listen,
    fail2banNames: metrics !== 'off' && metrics.fail2ban_names,
    control: { socket: control.socket ?? socketPath(context), group: control.group },
    state: { path: state.path ?? statePath(context) },
    allowlist,
    defaults,
    jails,
    foreignJails,
    fail2ban: fail2ban?.path,
    limits: {
      messageBytes: limits.message,
      connections: limits.connections,
      subjects: limits.subjects,
      evidenceBytes: limits.evidence,
    },
    breaker: {
      share: breaker.clients,
      least: breaker.least,
      withinMs: breaker.within,
      rate: breaker.rate === undefined ? undefined : { bans: breaker.rate.bans, withinMs: breaker.rate.within },
    },
  };
}

/** Stands in for `defaults` with a mistake in them, so that the jails are looked at all the same. */
const builtInDefaults: Config['defaults'] = {
  maxretry: 1,
  findtimeMs: 1,
  bantime: { firstMs: 1, factor: 1, maxMs: 1, forgetMs: 1 },
  prefix: { ipv4: 32, ipv6: 128 },
};

/** What failed longer ago than any jail remembers cannot matter any more. */
function lookBack(jails: Config['jails']): Begin {
  return { kind: 'ago', agoMs: Math.min(longestLookBackMs, Math.max(0, ...jails.map(({ findtimeMs }) => findtimeMs))) };
}

function resolveAllowlist(parts: Parts): Config['allowlist'] | undefined {
  const prefixes = parts.take(schema.entries.allowlist, ['allowlist']);
  const nowhere: Place = { file: '', line: 0, column: 0 };
  return prefixes?.map((prefix, index) => {
    const path = ['allowlist', index];
    if (splitPrefix(prefix).length === 0) {
      parts.mistake(
        path,
        `${prefix} is every address: nobody would ever be banned`,
        'to decide and touch nothing, write "enforce: { mode: observe }"',
      );
    }
    const { file, line, column } = parts.treeAt(path)?.span ?? nowhere;
    return { prefix, place: { file, line, column } };
  });
}
