import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import { program } from '../environment.ts';

/** The installed fail2ban-server, with socket, log and configuration in a folder of its own, and no database. */
export interface Fail2banServer {
  /** Runs fail2ban-client against it. @returns what it prints, with its last newline */
  readonly client: (...words: readonly string[]) => Promise<string>;
  readonly log: string;
  readonly stop: () => Promise<void>;
}

/**
 * Starts it with the stock filters and the jails given, and waits until they run.
 *
 * @param jails text of jail.local
 */
export async function startFail2ban(directory: string, jails: string): Promise<Fail2banServer> {
  const home = join(directory, 'fail2ban');
  const [config, socket, log] = [join(home, 'etc'), join(home, 'socket'), join(home, 'log')];
  mkdirSync(config, { recursive: true });
  writeFileSync(
    join(config, 'fail2ban.conf'),
    `[Definition]\nloglevel = INFO\nlogtarget = ${log}\nsyslogsocket = auto\nsocket = ${socket}\npidfile = ${join(home, 'pid')}\ndbfile = None\ndbmaxmatches = 10\ndbpurgeage = 1d\nallowipv6 = auto\n`,
  );
  writeFileSync(join(config, 'jail.local'), jails);
  await execa('ln', ['-s', '/etc/fail2ban/filter.d', '/etc/fail2ban/action.d', config]);
  const server = execa(program('fail2ban-server') ?? '', ['-c', config, '-s', socket, '-p', join(home, 'pid'), '-xf', 'start'], {
    reject: false,
    stdin: 'ignore',
  });
  const client: Fail2banServer['client'] = async (...words) => {
    const { stdout } = await execa(program('fail2ban-client') ?? '', ['-c', config, '-s', socket, ...words], {
      reject: false,
      stripFinalNewline: false,
    });
    return stdout;
  };
  const stop = async (): Promise<void> => {
    server.kill('SIGTERM');
    await server;
  };
  let ended = false;
  void server.finally(() => {
    ended = true;
  });
  const endMs = Date.now() + patienceMs;
  while (!/^`- Jail list:\t./m.test(await client('status'))) {
    if (Date.now() > endMs || ended) {
      await stop();
      throw new Error(`fail2ban-server did not start: ${(await server).stderr}`);
    }
    await pause(50); // it tells nobody when it is ready
  }
  return { client, log, stop };
}

const patienceMs = 20_000;
