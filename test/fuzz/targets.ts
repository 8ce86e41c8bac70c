import { createFramer } from '../../src/frame/framer.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { createMatcher } from '../../src/match/matcher.ts';
import type { Parsed } from '../../src/model/record.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import { createEntryParser } from '../../src/parse/journal-entry.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';
import { recordOf } from '../../src/offline/recognise.ts';
import { fail2banDialect } from '../../src/rules/fail2ban/dialect.ts';
import { compilePattern } from '../../src/rules/native/pattern-compile.ts';
import { provePattern } from '../../src/rules/native/pattern-proof.ts';
import { parsePattern } from '../../src/rules/native/pattern-syntax.ts';
import { compileRegexPattern } from '../../src/rules/native/regex-pattern.ts';
import { parseRuleFile } from '../../src/rules/native/rule-file.ts';
import { rules } from '../support/attack-lines.ts';

/** What reads text that others wrote. Each must come back, quickly, without an exception, whatever the bytes are. */
export type Target = (input: Buffer) => void;

const clock = { nowMs: Date.parse('2026-11-22T20:00:00Z'), timezone: 'Europe/Berlin' };
const settings = { name: 'fuzzed', follows: false, address: { kind: 'own' }, cutBytes: undefined } as const;
/** Every rule on whatever was parsed: what gets past the parser meets the patterns. */
const matcher = createMatcher([...rules.filters]);

const dialect = fail2banDialect({ nowMs: clock.nowMs, random: Math.random });

const parseEntry = createEntryParser();

function matched(parsed: Parsed): void {
  if (parsed.kind === 'message') matcher.match(recordOf(parsed.message, 'fuzz', clock.nowMs));
}

const who = { uid: 0, env: {}, syslogUid: undefined };

/** A text that an administrator tries a pattern on; nothing of it is chosen to fit. */
const sampleTexts = ['', 'a', 'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <a@b.example>', 'a1.[ '.repeat(1_600)];

export const targets = {
  frames: (input) => {
    const maxFrameBytes = 1_024;
    const framer = createFramer({ maxFrameBytes });
    // Split at a place that the input itself names.
    const at = (input[0] ?? 0) % (input.length + 1);
    for (const piece of [input.subarray(0, at), input.subarray(at)]) {
      for (const { spans } of framer.push(piece).batches) {
        for (let index = 1; index < spans.length; index += 2) {
          const bytes = (spans[index] ?? 0) - (spans[index - 1] ?? 0);
          if (bytes > maxFrameBytes) throw new Error(`a frame of ${bytes} bytes`);
        }
      }
    }
    framer.end();
  },
  syslog: (input) => matched(parseSyslog(input.toString(), clock)),
  'file-line': (input) => {
    matched(parseFileLine(input.toString(), { ...clock, program: undefined }));
    matched(parseFileLine(input.toString(), { ...clock, program: 'sshd' }));
  },
  'journal-entry': (input) => {
    const entry = parseEntry(input, 0, input.length);
    if (entry.kind === 'entry') matched({ kind: 'message', message: entry.message });
  },
  pattern: (input) => {
    const { syntax, mistakes } = parsePattern(input.toString());
    const { proof, mistakes: unproved } = provePattern(syntax, 'address');
    if (mistakes.length > 0 || unproved.length > 0) return;
    const pattern = compilePattern(syntax, proof, settings);
    for (const text of sampleTexts) pattern.match(text);
  },
  regex: (input) => {
    const { pattern } = compileRegexPattern(input.toString(), { ...settings, unproved: true });
    for (const text of sampleTexts) pattern?.match(text);
  },
  config: (input) => {
    const context = { filters: [{ name: 'x', ports: { kind: 'all' }, patterns: [] }], brokenFilters: [], services: '', dialect } as const;
    parseConfig([{ path: 'fuzzed.yaml', text: input.toString() }], { ...context, ...who });
  },
  'rule-file': (input) => {
    parseRuleFile('fuzzed.yaml', input.toString(), 'smtp 25/tcp\n');
  },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof targets;
