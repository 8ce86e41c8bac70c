import type { LineFailure } from '../match/fail2ban/line-matcher.ts';
import { type Address, familyOf, type Prefix, prefixOf, splitPrefix } from '../model/address.ts';
import { type ForeignJail, foreignFilterName, foreignPatternName } from '../model/foreign-jail.ts';
import type { LogRecord } from '../model/record.ts';
import { createIgnoreCommand, type IgnoreCommand } from '../act/ignore-command.ts';
import { createIgnoreList, type IgnoreList } from '../act/ignore-list.ts';
import { createNameLookup } from '../act/name-lookup.ts';
import type { ForeignDeps } from './foreign-deps.ts';

/** What becomes of what the expressions found: whom it names, whether the jail spares him, and what is decided. */
export interface ForeignFailures {
  /** @returns a promise only where a name or a command has to be asked */
  readonly take: (jail: ForeignJail, record: LogRecord, failure: LineFailure) => Promise<void> | undefined;
  readonly stop: () => void;
}

/** One whom a failure names. `length`: bits of the network, where it names one. */
interface Named {
  readonly address: Address;
  readonly length: number | undefined;
}

export function createForeignFailures(
  { pipeline, events, nowMs }: Pick<ForeignDeps, 'pipeline' | 'events' | 'nowMs'>,
  jails: readonly ForeignJail[],
): ForeignFailures {
  const trouble = (message: string): void => events.notice('warning', message);
  const lists = new Map<ForeignJail, IgnoreList>();
  /** Whose names in `ignoreip` nobody has asked for yet: until then nobody is banned, as it might be one of them. */
  const unready = new Map<ForeignJail, Promise<void>>();
  const commands = new Map<ForeignJail, IgnoreCommand>();
  for (const jail of jails) {
    const { entries, command, cache } = jail.ignore;
    const { name } = jail.jail;
    if (entries.length > 0) {
      const list = createIgnoreList(entries, { nowMs, onTrouble: (why) => trouble(`jail ${name}: ${why}`) });
      lists.set(jail, list);
      if (entries.some(({ kind }) => kind !== 'network')) {
        unready.set(
          jail,
          list.ready.then(() => void unready.delete(jail)),
        );
      }
    }
    if (command !== undefined)
      commands.set(
        jail,
        createIgnoreCommand({ jail: name, command, cache, onTrouble: (why) => trouble(`jail ${name}: ignorecommand: ${why}`) }),
      );
  }
  const names = jails.some(({ texts }) => texts.usedns === 'yes') ? createNameLookup({ nowMs }) : undefined;

  let stopped = false;

  const spare = ({ jail }: ForeignJail, { address, length }: Named, by: string): void => {
    const subject: Prefix = prefixOf(address, length ?? jail.prefix[familyOf(address)]);
    pipeline.announce([{ kind: 'ignore', jail: jail.name, subject, because: 'protected', detail: by }]);
  };

  const decide = (jail: ForeignJail, record: LogRecord, failure: LineFailure, { address, length }: Named): void => {
    const { failRegex, fields, timeMs } = failure;
    const { origin, stamp } = record;
    // The filter knows where the date of a line stands; journald knows it itself.
    const own = origin.kind === 'journal' ? stamp : timeMs === undefined ? undefined : { ms: timeMs, zoned: false, fraction: false };
    const detection = {
      filter: foreignFilterName(jail.jail.name),
      pattern: foreignPatternName(failRegex),
      address,
      ...(length === undefined ? {} : { length }),
      captures: fields,
      follows: false,
    };
    pipeline.detected([detection], { ...record, stamp: own });
  };

  const consider = (jail: ForeignJail, record: LogRecord, failure: LineFailure, named: Named): Promise<void> | undefined => {
    const wait = stopped ? undefined : unready.get(jail);
    if (wait !== undefined) return wait.then(() => consider(jail, record, failure, named));
    const by = lists.get(jail)?.covers(named.address);
    if (by !== undefined) {
      spare(jail, named, by);
      return undefined;
    }
    const command = commands.get(jail);
    if (command === undefined) {
      decide(jail, record, failure, named);
      return undefined;
    }
    const { address } = named;
    return command
      .ask({ address, fields: failure.fields, matches: failure.lines, timeMs: failure.timeMs ?? record.receivedMs })
      .then((ignored) => {
        if (ignored) spare(jail, named, 'command');
        else decide(jail, record, failure, named);
      });
  };

  return {
    take: (jail, record, failure) => {
      const { address, network, isName, id, failRegex } = failure;
      if (address !== undefined) return consider(jail, record, failure, { address, length: undefined });
      if (network !== undefined) return consider(jail, record, failure, namedNetwork(network));
      const nobody = { kind: 'no_address', filter: foreignFilterName(jail.jail.name), pattern: foreignPatternName(failRegex) } as const;
      if (!isName || names === undefined || jail.texts.usedns !== 'yes') {
        events.unmatched(nobody);
        return undefined;
      }
      // Nobody waits for names at the end: as with those that nobody knows, nobody is meant.
      const asked = stopped ? Promise.resolve([]) : names.lookup(id);
      return asked.then(async (addresses) => {
        if (addresses.length === 0) events.unmatched(nobody);
        for (const each of addresses) await consider(jail, record, failure, { address: each, length: undefined });
      });
    },
    stop: () => {
      stopped = true;
      for (const list of lists.values()) list.stop();
      for (const command of commands.values()) command.stop();
      names?.stop();
    },
  };
}

function namedNetwork(network: Prefix): Named {
  const { address, length } = splitPrefix(network);
  return { address, length };
}
