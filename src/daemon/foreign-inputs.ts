import type { Begin, FileSource } from '../config/config.ts';
import type { ForeignJail, ForeignReading } from '../model/foreign-jail.ts';
import { decoderLabel } from '../model/log-encoding.ts';
import { journalFits } from '../model/journal-match.ts';
import type { LogRecord } from '../model/record.ts';
import type { JournalSettings } from '../model/source.ts';

/** A source of which only jails in fail2ban's dialect read. */
export type ForeignInput = FileSource | (JournalSettings & { readonly from: Begin });

/** Any program: the record's text is the line as it stands, which is what fail2ban's expressions are written for. */
const wholeLine = 'fail2ban';

/**
 * What such jails read. A file is one source however many of them read it, and the journal of one place one journalctl, which is asked for whatever
 * fits any of them.
 */
export class ForeignInputs {
  readonly inputs: readonly ForeignInput[];
  readonly #readers = new Map<string, readonly ForeignJail[]>();

  constructor(jails: readonly ForeignJail[]) {
    const files = Map.groupBy(
      jails.flatMap((jail) => (jail.reading.kind === 'files' ? readingOf(jail, jail.reading) : [])),
      ({ path, encoding }) => `fail2ban:${path.pattern}${encoding === 'utf-8' ? '' : ` (${encoding})`}`,
    );
    const journals = Map.groupBy(
      jails.flatMap((jail) => (jail.reading.kind === 'journal' ? [{ jail, reading: jail.reading }] : [])),
      ({ reading: { directory, namespace } }) =>
        ['fail2ban:journal', directory, namespace === undefined ? undefined : `namespace ${namespace}`]
          .filter((each) => each !== undefined)
          .join(' '),
    );
    const inputs: ForeignInput[] = [];
    for (const [name, readers] of files) {
      const [first] = readers;
      if (first === undefined) continue;
      const { path, encoding } = first;
      const all = readers.map(({ jail }) => jail);
      const from: Begin = readers.every((each) => each.path.from === 'tail') ? { kind: 'end' } : lookBack(all);
      inputs.push({
        kind: 'file',
        name,
        path: path.pattern,
        timezone: 'local',
        program: wholeLine,
        silenceMs: 0,
        from,
        ...(encoding === 'utf-8' ? {} : { encoding }),
      });
      this.#readers.set(name, all);
    }
    for (const [name, readers] of journals) {
      const [first] = readers;
      if (first === undefined) continue;
      const { directory, namespace } = first.reading;
      // One jail that reads everything: then journalctl is not asked for less.
      const matches = readers.some(({ reading }) => reading.matches.length === 0)
        ? []
        : distinct(readers.flatMap(({ reading }) => reading.matches));
      const all = readers.map(({ jail }) => jail);
      inputs.push({ kind: 'journal', name, matches, directory, namespace, silenceMs: 0, keepNamed: true, from: lookBack(all) });
      this.#readers.set(name, all);
    }
    this.inputs = inputs;
  }

  /** Those that read the source at all; undefined: it is none of theirs. */
  readersOf(source: string): readonly ForeignJail[] | undefined {
    return this.#readers.get(source);
  }
}

function readingOf(jail: ForeignJail, { paths, encoding }: ForeignReading & { readonly kind: 'files' }) {
  // What is not ASCII differs by it, nothing else: an encoding that nobody knows is no reason not to read.
  return paths.map((path) => ({ jail, path, encoding: decoderLabel(encoding) ?? 'utf-8' }));
}

/** Whether the jail would have read the record itself: journalctl was asked for what all jails of the source want. */
export function reads({ reading }: ForeignJail, record: LogRecord): boolean {
  return reading.kind === 'files' || reading.matches.length === 0 || journalFits(reading.matches, record.trusted);
}

/** fail2ban goes back by findtime too; at most an hour here, as everywhere. */
function lookBack(jails: readonly ForeignJail[]): Begin {
  return { kind: 'ago', agoMs: Math.min(hourMs, Math.max(...jails.map(({ jail }) => jail.findtimeMs))) };
}

const hourMs = 3_600_000;

function distinct(groups: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...new Map(groups.map((group) => [group.join('\0'), group])).values()];
}
