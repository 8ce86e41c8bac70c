import { join } from 'node:path';
import type { Diagnostic } from '../../diagnostic.ts';
import { durationOf } from './bantime.ts';
import { parseInteger } from './integer.ts';
import { interpolate } from './interpolate.ts';
import { type IniCache, readLayers } from './layering.ts';
import { Mistake } from './mistake.ts';
import type { SourcedText } from './sourced-text.ts';

/** fail2ban.conf: what its server itself is told. Each undefined where nothing is written. */
export interface Fail2banConf {
  readonly loglevel: string | undefined;
  readonly logtarget: string | undefined;
  readonly syslogsocket: string | undefined;
  readonly socket: string | undefined;
  readonly pidfile: string | undefined;
  readonly allowipv6: string | undefined;
  /** Path of the database, `None` for none. */
  readonly dbfile: string | undefined;
  readonly dbmaxmatches: number | undefined;
  /** How long bans are remembered after their end, ms. */
  readonly dbpurgeageMs: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads `DIR/fail2ban.conf` with its layers. A mistake in it is told and leaves that value out. */
export function readFail2banConf(dir: string, cache: IniCache): Fail2banConf {
  const layers = readLayers(join(dir, 'fail2ban'), cache);
  const diagnostics: Diagnostic[] = (layers?.mistakes ?? []).map(({ diagnostic }) => diagnostic);
  const attempt = <Result>(read: () => Result): Result | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      diagnostics.push(error.diagnostic);
      return undefined;
    }
  };
  const value = (key: string): SourcedText | undefined =>
    layers === undefined ? undefined : attempt(() => interpolate(layers, 'Definition', key));
  const dbmaxmatches = value('dbmaxmatches');
  const dbpurgeage = value('dbpurgeage');
  return {
    loglevel: value('loglevel')?.text,
    logtarget: value('logtarget')?.text,
    syslogsocket: value('syslogsocket')?.text,
    socket: value('socket')?.text,
    pidfile: value('pidfile')?.text,
    allowipv6: value('allowipv6')?.text,
    dbfile: value('dbfile')?.text,
    dbmaxmatches: dbmaxmatches === undefined ? undefined : attempt(() => readCount(dbmaxmatches)),
    dbpurgeageMs: dbpurgeage === undefined ? undefined : attempt(() => durationOf(dbpurgeage, 'dbpurgeage') * 1_000),
    diagnostics,
  };
}

function readCount({ text, places: [place] }: SourcedText): number {
  const count = parseInteger(text);
  if (count === undefined) throw new Mistake(place, `dbmaxmatches: "${text}" is not a whole number`);
  return count;
}
