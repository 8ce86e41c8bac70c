import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from '../environment.ts';

/**
 * A real rsyslogd with a configuration of its own: a private socket instead of /dev/log, private pid file, work directory and input port.
 * Needs `rsyslogd` and `logger`; root, because imuxsock looks at the sender.
 */
export interface Rsyslog {
  /** Its spool: survives a restart. */
  readonly directory: string;
  /** Logs as a program on that host would: through the socket. */
  readonly log: (tag: string, lines: readonly string[], options?: { readonly priority?: string; readonly pid?: number }) => void;
  /** Resolves when a message that ends in this text has passed all actions, those with a queue as far as their queue. */
  readonly passed: (text: string) => Promise<void>;
  /** Its TCP input, LF framing, to be written at in bulk. */
  readonly port: () => number;
  /** Ends it as `systemctl stop` does, and waits. */
  readonly stop: () => Promise<void>;
  /** Starts it again, with the same spool. */
  readonly start: () => Promise<void>;
  /** Stops it and removes its files. */
  readonly remove: () => Promise<void>;
}

/** @param actions the end of the configuration: what is done with each message */
export async function startRsyslog(actions: string): Promise<Rsyslog> {
  const directory = mkdtempSync(join(tmpdir(), `slu-${process.pid}-rsyslog-`));
  const [socket, portFile, passedFile, config] = ['log', 'port', 'passed', 'rsyslog.conf'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(
    config,
    `global(workDirectory="${directory}" net.enableDNS="off")
     module(load="imuxsock" SysSock.Use="off")
     input(type="imuxsock" Socket="${socket}" CreatePath="on" RateLimit.Interval="0" ParseTrusted="off")
     module(load="imtcp")
     input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="${portFile}" RateLimit.Interval="0" ruleset="RSYSLOG_DefaultRuleset")
     ${actions}
     action(type="omfile" file="${passedFile}")\n`,
  );
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    rmSync(portFile, { force: true });
    const started = spawn(program('rsyslogd') ?? 'rsyslogd', ['-n', '-f', config, '-i', join(directory, 'pid')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child = started;
    const ended = once(started, 'exit').then(([code]) => {
      throw new Error(`rsyslogd ended with ${code}`);
    });
    ended.catch(() => undefined); // later it ends because it is stopped
    await Promise.race([fileEnds(directory, portFile, ''), ended]);
    // It writes the port down between bind() and listen().
    while (!(await accepts(Number(readFileSync(portFile, 'utf8')))));
  };
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  const kill = (): void => {
    child?.kill('SIGKILL');
  };
  process.on('exit', kill);

  await start();
  return {
    directory,
    log: (tag, lines, { priority = 'mail.info', pid } = {}) => {
      const flags = [
        '--socket',
        socket,
        '--socket-errors=on',
        '--priority',
        priority,
        '--tag',
        tag,
        ...(pid === undefined ? [] : [`--id=${pid}`]),
      ];
      execFileSync('logger', flags, { input: `${lines.join('\n')}\n` });
    },
    passed: (text) => fileEnds(directory, passedFile, `${text}\n`),
    port: () => Number(readFileSync(portFile, 'utf8')),
    stop,
    start,
    remove: async () => {
      await stop();
      process.off('exit', kill);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Resolves once the file is there, is not empty, and ends in the text. */
async function fileEnds(directory: string, path: string, text: string): Promise<void> {
  const there = (): boolean => {
    if (!existsSync(path)) return false;
    const content = readFileSync(path, 'utf8');
    return content !== '' && content.endsWith(text);
  };
  await new Promise<void>((resolve) => {
    const watcher = watch(directory, () => {
      if (!there()) return;
      watcher.close();
      resolve();
    });
    if (there()) {
      watcher.close();
      resolve();
    }
  });
}
