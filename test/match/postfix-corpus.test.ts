import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createFramer } from '../../src/frame/framer.ts';
import { createJournalFramer } from '../../src/frame/journal-framer.ts';
import { createMatcher } from '../../src/match/matcher.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { LogRecord, Message } from '../../src/model/record.ts';
import { createEntryParser } from '../../src/parse/journal-entry.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';
import { parseLine } from '../../src/offline/recognise.ts';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { corpusFolder, withoutCorpus } from '../support/corpus.ts';
import { clock, record } from './recognise.ts';

const skip = withoutCorpus('postfix-real');

interface Label {
  readonly n: number;
  readonly client: string | null;
  readonly kind: string;
  readonly abuse: boolean;
  readonly borderline?: boolean;
}

/** Every form of the same 1128 messages, and the other run that Postfix wrote to a file itself. */
const forms: readonly { readonly file: string; readonly labels?: string; readonly read: (bytes: Buffer) => readonly LogRecord[] }[] = [
  { file: 'mail-traditional.log', read: fileLines },
  { file: 'mail-fileformat.log', read: fileLines },
  { file: 'mail-postlogd.log', labels: 'labels-postlogd.jsonl', read: fileLines },
  { file: 'udp-traditional.dgrams', read: datagrams },
  { file: 'udp-forward.dgrams', read: datagrams },
  { file: 'tcp-traditional-lf.bin', read: stream },
  { file: 'tcp-traditional-octet.bin', read: stream },
  { file: 'tcp-forward-lf.bin', read: stream },
  { file: 'tcp-forward-octet.bin', read: stream },
  { file: 'tcp-5424-lf.bin', read: stream },
  { file: 'tcp-5424-octet.bin', read: stream },
  { file: 'journal.export', read: journal },
];

describe('the shipped Postfix rules on a real Postfix under attack', { skip }, () => {
  const rules = loadRules([join(import.meta.dirname, '../../rules')]);
  const filters = rules.filters.filter(({ name }) => name === 'postfix');

  for (const { file, labels: labelFile = 'labels.jsonl', read } of forms) {
    test(`${file}: every offence, nothing else, and never another address than the client's`, (t) => {
      const labels = labelsOf(labelFile);
      const records = read(bytesOf(file));
      assert.equal(records.length, labels.length);
      const matcher = createMatcher(filters);
      const scores = new Map<string, Score>();
      const mistakes: string[] = [];
      for (const [index, label] of labels.entries()) {
        const one = records[index];
        assert.ok(one !== undefined);
        const where = `line ${label.n}, ${label.kind}: ${one.text}`;
        const [found, second] = matcher.match(one).detections;
        assert.equal(second, undefined, where);
        const score = scores.get(label.kind) ?? { abuse: 0, found: 0, wrong: 0, borderline: 0 };
        scores.set(label.kind, score);
        if (found !== undefined && found.address !== parseAddress(label.client ?? '')) mistakes.push(`${found.address}: ${where}`);
        if (label.borderline === true) score.borderline += found === undefined ? 0 : 1;
        else if (label.abuse) {
          score.abuse++;
          if (found === undefined) mistakes.push(`missed: ${where}`);
          else score.found++;
        } else if (found !== undefined) {
          score.wrong++;
          mistakes.push(`no offence, and ${found.pattern}: ${where}`);
        }
      }
      const told = [...scores].filter(([, { abuse, wrong, borderline }]) => abuse + wrong + borderline > 0);
      t.diagnostic(told.map(([kind, score]) => described(kind, score)).join('; '));
      assert.deepEqual(mistakes, []);
    });
  }
});

interface Score {
  abuse: number;
  found: number;
  wrong: number;
  borderline: number;
}

function described(kind: string, { abuse, found, wrong, borderline }: Score): string {
  const recall = abuse === 0 ? '-' : (found / abuse).toFixed(3);
  const precision = found + wrong === 0 ? '-' : (found / (found + wrong)).toFixed(3);
  return `${kind} recall ${recall} (${found} of ${abuse}) precision ${precision}${borderline > 0 ? `, and ${borderline} borderline` : ''}`;
}

function bytesOf(file: string): Buffer {
  return readFileSync(join(corpusFolder('postfix-real') ?? '', file));
}

function labelsOf(file: string): readonly Label[] {
  const lines = bytesOf(file).toString('utf8').trimEnd().split('\n');
  return lines.map((line): Label => JSON.parse(line));
}

function fileLines(bytes: Buffer): readonly LogRecord[] {
  const lines = bytes.toString('utf8').trimEnd().split('\n');
  return lines.map((line) => recordOfMessage(parseLine(line, clock)));
}

function datagrams(bytes: Buffer): readonly LogRecord[] {
  const found: LogRecord[] = [];
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    const parsed = parseSyslog(bytes.toString('utf8', at + 4, at + 4 + bytes.readUInt32BE(at)), clock);
    found.push(recordOfMessage(parsed.kind === 'message' ? parsed.message : undefined));
  }
  return found;
}

function stream(bytes: Buffer): readonly LogRecord[] {
  return createFramer({ maxFrameBytes: 65_536 })
    .push(bytes)
    .batches.flatMap((batch) =>
      Array.from({ length: batch.spans.length / 2 }, (_, index) =>
        batch.bytes.toString('utf8', batch.spans[index * 2], batch.spans[index * 2 + 1]),
      ),
    )
    .map((frame) => parseSyslog(frame, clock))
    .map((parsed) => recordOfMessage(parsed.kind === 'message' ? parsed.message : undefined));
}

function journal(bytes: Buffer): readonly LogRecord[] {
  const parse = createEntryParser();
  return createJournalFramer({ maxEntryBytes: 1_000_000 })
    .push(bytes)
    .batches.flatMap((batch) =>
      Array.from({ length: batch.spans.length / 2 }, (_, i) => {
        const entry = parse(batch.bytes, batch.spans[2 * i] ?? 0, batch.spans[2 * i + 1] ?? 0);
        assert.ok(entry.kind === 'entry');
        return record(entry.message, { origin: { kind: 'journal', cursor: entry.cursor, realtimeMs: 0 }, trusted: entry.trusted });
      }),
    );
}

function recordOfMessage(message: Message | undefined): LogRecord {
  assert.ok(message !== undefined);
  return record(message);
}
