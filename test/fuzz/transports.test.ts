import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createFramer } from '../../src/frame/framer.ts';
import { createMatcher } from '../../src/match/matcher.ts';
import type { Message, Parsed } from '../../src/model/record.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import { createEntryParser } from '../../src/parse/journal-entry.ts';
import { exported } from '../support/journal-export.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';
import { recordOf } from '../../src/offline/recognise.ts';
import { attacker, programs, rules, said, texts, victim, written } from '../support/attack-lines.ts';

/**
 * What test/match/attacks.test.ts does to the patterns, here with the way of a line before them: a client's words become a line in each form
 * in which lines travel, complete fake lines of that form among them, and the victim is never named.
 */

const clock = { nowMs: Date.parse('2026-11-22T20:00:00Z'), timezone: 'UTC' };

/** A daemon's message as it travels. The writers escape what real ones escape: LF, and in files and old syslog all control characters. */
interface Form {
  readonly write: (program: string, text: string) => Buffer;
  readonly read: (bytes: Buffer) => readonly Message[];
}

const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex: this is what rsyslog and Postfix replace
  text.replaceAll(/[\0-\x1f\x7f]/g, (character) => `#${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
const messages = (...all: readonly Parsed[]): readonly Message[] => all.flatMap((one) => (one.kind === 'message' ? [one.message] : []));
const lines = (bytes: Buffer): readonly string[] => bytes.toString().split('\n').filter(Boolean);
const fileOf = (line: (program: string, text: string) => string): Form => ({
  write: (program, text) => Buffer.from(`${line(program, printable(text))}\n`),
  read: (bytes) => messages(...lines(bytes).map((each) => parseFileLine(each, { ...clock, program: undefined }))),
});
const old = (program: string, text: string): string => `Nov 22 19:59:59 mx ${program}[4711]: ${text}`;
const iso = (program: string, text: string): string => `2026-11-22T19:59:59.123456+00:00 mx ${program}[4711]: ${text}`;
const rfc5424 = (program: string, text: string): string => `<22>1 2026-11-22T19:59:59Z mx ${program} 4711 - [origin software="x"] ${text}`;
const framed = (bytes: Buffer): readonly Message[] => {
  const framer = createFramer({ maxFrameBytes: 65_536 });
  return [framer.push(bytes), framer.end()]
    .flatMap(({ batches }) => batches)
    .flatMap(({ bytes: held, spans }) =>
      spans.flatMap((end, index) => (index % 2 === 1 ? messages(parseSyslog(held.toString('utf8', spans[index - 1], end), clock)) : [])),
    );
};
const datagram = (bytes: Buffer): readonly Message[] => messages(parseSyslog(bytes.toString(), clock));
const entry = (program: string, message: unknown): Buffer =>
  exported({
    __CURSOR: 's=1',
    __REALTIME_TIMESTAMP: '1795377599000000',
    SYSLOG_IDENTIFIER: program,
    _UID: '0',
    _SYSTEMD_UNIT: 'ssh.service',
    MESSAGE: message,
  });
const parseEntry = createEntryParser();
const journal = (bytes: Buffer): readonly Message[] => {
  const read = parseEntry(bytes, 0, bytes.length);
  return read.kind === 'entry' ? [read.message] : [];
};
const counted = (text: string): Buffer => Buffer.concat([Buffer.from(`${Buffer.byteLength(text)} `), Buffer.from(text)]);

const forms: Readonly<Record<string, Form>> = {
  'a file, old stamps': fileOf(old),
  'a file, RFC 3339 stamps': fileOf(iso),
  'UDP, RFC 3164': { write: (program, text) => Buffer.from(`<22>${old(program, text)}`), read: datagram },
  'UDP, RFC 5424': { write: (program, text) => Buffer.from(rfc5424(program, text)), read: datagram },
  'TCP, lines': { write: (program, text) => Buffer.from(`<22>${old(program, printable(text))}\n`), read: framed },
  'TCP, octet counting': { write: (program, text) => counted(rfc5424(program, text)), read: framed },
  'the journal, text': { write: entry, read: journal },
  'the journal, bytes': { write: (program, text) => entry(program, [...Buffer.from(text)]), read: journal },
};

/** Complete fake lines of every form, as a client would say them in the hope that something takes them for the beginning of one. */
const refused = `NOQUEUE: reject: RCPT from x[${victim}]: 554 5.7.1 <a>: Relay access denied`;
const fakes = Object.values(forms).flatMap(({ write }) => {
  const line = write('postfix/smtpd', refused).toString();
  return [line, `\n${line}`, `\r\n${line}`, `\0${line}`, `\u2028${line}`, `#012${line}`, ` ${line}`];
});

describe('complete fake lines in whatever a client says name nobody else', () => {
  const words = fc.tuple(said, fc.constantFrom(...fakes)).map(([all, fake]) => [...all, fake]);
  const filling = fc.record({
    address: fc.constant(attacker),
    said: words,
    optional: fc.array(fc.boolean(), { minLength: 4, maxLength: 8 }),
  });
  for (const [name, form] of Object.entries(forms)) {
    test(`over ${name}`, () => {
      let detected = 0;
      fc.assert(
        fc.property(fc.constantFrom(...texts), filling, fc.constantFrom(...programs), ({ parts }, filled, program) => {
          const matcher = createMatcher([...rules.filters]);
          for (const message of form.read(form.write(program, written(parts, filled)))) {
            const { detections, successes = [] } = matcher.match(recordOf(message, 'attack', clock.nowMs));
            for (const { address, filter, pattern } of detections)
              assert.notEqual(address, victim, `${filter}/${pattern}: ${message.text}`);
            assert.ok(!successes.some((address) => address === victim), message.text);
            detected += detections.length;
          }
        }),
        { numRuns: 1_500 },
      );
      assert.ok(detected > 30, `${detected} lines were recognised`);
    });
  }
});
