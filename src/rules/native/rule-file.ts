import type { Node } from 'yaml';
import { isMap } from 'yaml';
import type { Diagnostic } from '../../diagnostic.ts';
import type { Filter, Memory, Pattern, Ports } from '../../model/filter.ts';
import { parsePorts } from '../../model/ports.ts';
import { compilePattern } from './pattern-compile.ts';
import { holesOf, isAnything, provePattern } from './pattern-proof.ts';
import type { Wanted } from './pattern-proof.ts';
import { parsePattern } from './pattern-syntax.ts';
import type { Hole, PatternMistake, PatternSyntax } from './pattern-syntax.ts';
import { compileRegexPattern } from './regex-pattern.ts';
import { readTests } from './rule-tests.ts';
import type { RuleTest } from './rule-tests.ts';
import { YamlReader } from './yaml-reader.ts';
import type { Entry, PlacedText } from './yaml-reader.ts';

/** A hole that the author of a rule vouches for, `{x:own}`: `check` lists these. */
export interface Vouched {
  readonly pattern: string;
  readonly hole: string;
}

/** A rule file that could be read. `filter` is undefined if there is any error among the diagnostics. */
export interface RuleFile {
  readonly file: string;
  readonly filter: Filter | undefined;
  readonly tests: readonly RuleTest[];
  readonly vouched: readonly Vouched[];
  /** Patterns that say `unproved: true`. */
  readonly unproved: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

const keys = ['filter', 'about', 'programs', 'journal', 'ports', 'cut', 'patterns', 'except', 'remember', 'success', 'tests'];
const patternKeys = ['pattern', 'regex', 'address', 'follows', 'unproved'];
/** Keys of a jail, which people look for here. */
const jailKeys: ReadonlyMap<string, string> = new Map(
  ['maxretry', 'findtime', 'bantime', 'prefix', 'observe', 'filters'].map((key) => [key, 'a jail']),
);

/**
 * Reads one rule file: YAML 1.2, one filter.
 *
 * @param file its path, for the diagnostics
 * @param services the text of /etc/services; '' without it
 */
export function parseRuleFile(file: string, source: string, services: string): RuleFile {
  const rule = new RuleReader(file, source, services);
  return rule.read();
}

class RuleReader {
  private readonly file: string;
  private readonly yaml: YamlReader;
  private readonly services: string;
  private readonly vouched: Vouched[] = [];
  private readonly unproved: string[] = [];
  private cutBytes: number | undefined;
  private memories: readonly Memory[] = [];

  constructor(file: string, source: string, services: string) {
    this.file = file;
    this.services = services;
    this.yaml = new YamlReader(file, source);
  }

  read(): RuleFile {
    const { yaml } = this;
    const entries = new Map(yaml.mapping(yaml.root, 'a rule file', keys, jailKeys).map((entry) => [entry.key, entry]));
    const value = (key: string): Node | undefined => entries.get(key)?.value;
    if (isMap(yaml.root)) {
      for (const key of ['filter', 'programs', 'ports', 'patterns']) {
        if (value(key) === undefined) yaml.report(entries.get(key)?.keyNode, `"${key}:" is missing`, missingHelp[key]);
      }
    }
    const name = this.name(value('filter'), 'filter');
    const about = yaml.text(value('about'), '"about"')?.text ?? '';
    const programs = yaml.sequence(value('programs'), '"programs"').flatMap((node) => this.program(node));
    const journal = yaml.sequence(value('journal'), '"journal"').flatMap((node) => this.journalMatch(node));
    const ports = this.ports(value('ports'));
    this.cutBytes = yaml.integer(value('cut'), '"cut"', 100, 8_192);
    this.memories = yaml.mapping(value('remember'), '"remember"', undefined).flatMap((entry) => this.memory(entry));
    const patterns = yaml.mapping(value('patterns'), '"patterns"', undefined).flatMap((entry) => this.pattern(entry));
    const success = yaml.sequence(value('success'), '"success"').flatMap((node, index) => this.success(node, index));
    const except = yaml.sequence(value('except'), '"except"').flatMap((node, index) => this.exception(node, index));
    const tests = readTests(
      yaml,
      value('tests'),
      patterns.map((pattern) => pattern.name),
    );

    const broken = yaml.diagnostics.some(({ severity }) => severity === 'error');
    const filter: Filter | undefined =
      broken || name === undefined || ports === undefined
        ? undefined
        : { name, about, programs, journal, ports, patterns, except, remember: this.memories, success };
    const { file, vouched, unproved } = this;
    const diagnostics = yaml.diagnostics.toSorted((a, b) => a.line - b.line || a.column - b.column);
    return { file, filter, tests, vouched, unproved, diagnostics };
  }

  private name(node: Node | undefined, what: string): string | undefined {
    const text = this.yaml.text(node, `the name of a ${what}`)?.text;
    if (text === undefined || isName(text)) return text;
    this.yaml.report(node, `"${text}" is no name for a ${what}: names have a-z, 0-9 and "-"`);
    return undefined;
  }

  private program(node: Node): readonly string[] {
    const placed = this.yaml.text(node, 'a program');
    if (placed === undefined) return [];
    if (/^[^\s[\]:]{1,64}$/.test(placed.text) && !placed.text.endsWith('/')) return [placed.text];
    this.yaml.report(node, `"${placed.text}" is no program: it is what stands before "[pid]:" in a line, such as postfix/smtpd`);
    return [];
  }

  private journalMatch(node: Node): readonly string[] {
    const placed = this.yaml.text(node, 'a match of the journal');
    if (placed === undefined) return [];
    if (placed.text === '+' || /^_[A-Z][A-Z0-9_]*=./.test(placed.text)) return [placed.text];
    const own = /^[A-Z0-9_]+=/.test(placed.text);
    const message = own
      ? `"${placed.text}" is what the sender says of itself, and any local user may say it`
      : `"${placed.text}" is no match of the journal; wanted FIELD=value, or "+" between alternatives`;
    this.yaml.report(node, message, 'use a field that journald vouches for, such as _SYSTEMD_UNIT=ssh.service');
    return [];
  }

  private ports(node: Node | undefined): Ports | undefined {
    if (node === undefined) return undefined;
    if ('value' in node && node.value === 'all') return { kind: 'all' };
    const before = this.yaml.diagnostics.length;
    const items = this.yaml.sequence(node, '"ports"');
    if (this.yaml.diagnostics.length > before) return undefined;
    const written = items.map((item) =>
      'value' in item && (typeof item.value === 'string' || typeof item.value === 'number') ? item.value : '',
    );
    const parsed = parsePorts(written, this.services);
    if (parsed.kind === 'ports') return parsed.ports;
    for (const { index, message } of parsed.mistakes) this.yaml.report(items[index] ?? node, message);
    return undefined;
  }

  private memory({ key: name, keyNode, value }: Entry): readonly Memory[] {
    if (!isName(name)) this.yaml.report(keyNode, `"${name}" is no name: names have a-z, 0-9 and "-"`);
    const placed = this.yaml.text(value, `"${name}"`);
    const syntax = placed === undefined ? undefined : this.proved(placed, 'address');
    if (placed === undefined || syntax === undefined) return [];
    const key = keyOf(syntax.parsed);
    if (key?.name === undefined) {
      this.yaml.report(value, 'nothing here joins this line to a later one', 'begin with the hole that both lines have, such as {qid}');
      return [];
    }
    const pattern = compilePattern(syntax.parsed, syntax.proof, {
      name,
      follows: false,
      address: { kind: 'own' },
      cutBytes: this.cutBytes,
    });
    return [{ name, key: key.name, pattern }];
  }

  private pattern({ key: name, keyNode, value }: Entry): readonly Pattern[] {
    if (!isName(name)) this.yaml.report(keyNode, `"${name}" is no name for a pattern: names have a-z, 0-9 and "-"`);
    if (value === undefined) this.yaml.report(keyNode, `the pattern "${name}" is empty`);
    if (!isMap(value)) return this.compiled(name, this.yaml.text(value, `the pattern "${name}"`), { kind: 'own' }, false);
    const entries = new Map(
      this.yaml.mapping(value, `the pattern "${name}"`, patternKeys, jailKeys).map((entry) => [entry.key, entry.value]),
    );
    const text = this.yaml.text(entries.get('pattern'), '"pattern"');
    const regex = this.yaml.text(entries.get('regex'), '"regex"');
    const follows = this.yaml.flag(entries.get('follows'), '"follows"');
    const unproved = this.yaml.flag(entries.get('unproved'), '"unproved"');
    const address = this.address(entries.get('address'));
    if ((text === undefined) === (regex === undefined)) {
      this.yaml.report(
        value,
        text === undefined
          ? `the pattern "${name}" has neither "pattern" nor "regex"`
          : `the pattern "${name}" has both "pattern" and "regex"`,
      );
      return [];
    }
    if (text !== undefined && unproved)
      this.yaml.report(entries.get('unproved'), '"unproved" is for "regex" only: a pattern is always proved');
    if (regex !== undefined) return this.regex(name, regex, { follows, unproved, remembered: entries.has('address') });
    return this.compiled(name, text, address, follows);
  }

  private compiled(name: string, placed: PlacedText | undefined, address: Pattern['address'], follows: boolean): readonly Pattern[] {
    if (placed === undefined) return [];
    const syntax = this.proved(placed, address.kind === 'own' ? 'address' : 'remembered');
    if (syntax === undefined) return [];
    if (address.kind === 'remembered') this.checkKey(placed, syntax.parsed, address.name);
    for (const { name: hole, type } of holesOf(syntax.parsed.parts)) {
      if (type.kind === 'own' && hole !== undefined) this.vouched.push({ pattern: name, hole });
    }
    return [compilePattern(syntax.parsed, syntax.proof, { name, follows, address, cutBytes: this.cutBytes })];
  }

  private regex(
    name: string,
    placed: PlacedText,
    { follows, unproved, remembered }: { follows: boolean; unproved: boolean; remembered: boolean },
  ): readonly Pattern[] {
    if (remembered) this.yaml.report(placed.node, '"address" goes with "pattern" only: a regex names the address itself, as <ADDR>');
    const { pattern, proof, mistakes } = compileRegexPattern(placed.text, { name, follows, unproved, cutBytes: this.cutBytes });
    this.reportAll(placed, mistakes);
    if (pattern === undefined) return [];
    if (unproved) {
      this.unproved.push(name);
      const message =
        proof === 'none'
          ? `"${name}" is not proved: a client may be able to move the address`
          : `"${name}" is proved: it does not need "unproved: true"`;
      this.yaml.report(placed.node, message, undefined, 'warning');
    }
    return [pattern];
  }

  /** Proved like a pattern: nobody can have somebody else taken for welcome. */
  private success(node: Node, index: number): readonly Pattern[] {
    return this.compiled(`success-${index + 1}`, this.yaml.text(node, 'a success'), { kind: 'own' }, false);
  }

  private exception(node: Node, index: number): readonly Pattern[] {
    const placed = this.yaml.text(node, 'an exception');
    const syntax = placed === undefined ? undefined : this.proved(placed, 'nothing');
    if (placed === undefined || syntax === undefined) return [];
    const { parts } = syntax.parsed;
    const lastLiteral = parts.findLastIndex((part) => part.kind === 'literal');
    const early = parts.slice(0, lastLiteral).find(isAnything);
    if (early !== undefined) {
      const message = `the client could have its offence excepted: {${early.name ?? ''}} takes any text, and "${literalText(syntax.parsed, lastLiteral)}" behind it may be the client's`;
      this.yaml.reportIn(
        placed,
        early.start,
        early.end,
        message,
        'in an exception, text and own stand only behind the last literal; give the hole a class',
      );
      return [];
    }
    const settings = { name: `except-${index + 1}`, follows: false, address: { kind: 'own' }, cutBytes: undefined } as const;
    return [compilePattern(syntax.parsed, 'none', settings)];
  }

  private address(node: Node | undefined): Pattern['address'] {
    const placed = this.yaml.text(node, '"address"');
    if (placed === undefined) return { kind: 'own' };
    const [, name] = /^remember\.([a-z0-9-]+)$/.exec(placed.text) ?? [];
    const known = this.memories.map((memory) => memory.name);
    if (name !== undefined && known.includes(name)) return { kind: 'remembered', name };
    const message = name === undefined ? `"${placed.text}" is no address` : `nothing is remembered as "${name}"`;
    this.yaml.report(
      node,
      message,
      known.length > 0 ? `write ${known.map((one) => `remember.${one}`).join(' or ')}` : 'write remember.NAME, and NAME under "remember:"',
    );
    return { kind: 'remembered', name: name ?? '' };
  }

  /** The hole that joins the lines must be there, and no client text before it: else a client chooses whose line this joins. */
  private checkKey(placed: PlacedText, { parts }: PatternSyntax, name: string): void {
    const key = this.memories.find((memory) => memory.name === name)?.key;
    if (key === undefined) return;
    const place = parts.findIndex((part) => part.kind === 'hole' && part.name === key);
    const text = parts.slice(0, Math.max(0, place)).find(isAnything);
    if (place === -1) this.yaml.report(placed.node, `{${key}} joins this line to the remembered one, and is not in the pattern`);
    else if (text !== undefined)
      this.yaml.reportIn(
        placed,
        text.start,
        text.end,
        `the client could choose the line that this one is joined to: {${text.name ?? ''}} stands before {${key}}`,
      );
  }

  private proved(
    placed: PlacedText,
    wanted: Wanted,
  ): { readonly parsed: PatternSyntax; readonly proof: ReturnType<typeof provePattern>['proof'] } | undefined {
    const { syntax, mistakes } = parsePattern(placed.text);
    const proved = provePattern(syntax, wanted);
    // A mistake in the writing makes the rest uncertain: what could be proved of it would only confuse.
    const all = mistakes.length > 0 ? mistakes : proved.mistakes;
    this.reportAll(placed, all);
    return all.length > 0 ? undefined : { parsed: syntax, proof: proved.proof };
  }

  private reportAll(placed: PlacedText, mistakes: readonly PatternMistake[]): void {
    for (const { start, end, message, help } of mistakes) this.yaml.reportIn(placed, start, end, message, help);
  }
}

const missingHelp: Readonly<Record<string, string>> = {
  filter: 'name it as the file is named: "filter: postfix"',
  programs: 'name the programs whose lines it reads: "programs: [postfix/smtpd]"',
  ports: 'say which ports a ban closes: "ports: [smtp, submission]", or "ports: all"',
  patterns: 'name at least one: "patterns: { NAME: PATTERN }"',
};

function isName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(text);
}

/** The first hole of a remembering pattern, if it is of a class. */
function keyOf({ parts }: PatternSyntax): Hole | undefined {
  const first = parts.find((part) => part.kind === 'hole');
  return first?.kind === 'hole' && first.type.kind === 'class' && first.type.class !== 'addr' ? first : undefined;
}

function literalText({ parts }: PatternSyntax, index: number): string {
  const part = parts[index];
  return part?.kind === 'literal' ? part.text : '';
}
