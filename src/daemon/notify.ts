import { printable } from '../diagnostic.ts';

/** Tells systemd how far we are: sd_notify(3). Every function does nothing where no service manager asked (no NOTIFY_SOCKET), and none rejects. */
export interface Notifier {
  /** The service is up, or a reload is over. `status`: one line for `systemctl status`. */
  readonly ready: (status: string) => Promise<void>;
  /** A reload begins; `ready` ends it, whether it went well or not. */
  readonly reloading: () => Promise<void>;
  readonly stopping: (status: string) => Promise<void>;
  /** What to show from now on. While one is being sent, only the newest of those that come meanwhile follows. */
  readonly status: (status: string) => Promise<void>;
  /** Ends the watchdog's timer; what was asked for is still sent. */
  readonly close: () => void;
}

export interface NotifierSettings {
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read. Remove them from what children inherit: they speak for us. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /**
   * Asked every WATCHDOG_USEC / 2: does everything turn that must turn? Only a yes is passed on; systemd restarts us if it stays away. An
   * answer that never comes is a no.
   */
  readonly healthy: () => boolean | Promise<boolean>;
  /** systemd could not be told. */
  readonly onError: (error: Error) => void;
  readonly program?: string;
}

const nothing = () => Promise.resolve();

/** systemd-notify itself gives up after 5 s. */
const childMs = 7_000;

/**
 * Node has no unix datagrams, so that a child speaks for us: systemd-notify(1), 6 to 10 ms.
 *
 * It is not run with --no-block: systemd finds the unit of a message by the sender's PID, and a sender that has ended before systemd looks belongs
 * to no unit, so that its READY=1 would be lost now and then. The child waits for systemd, we do not. The unit needs NotifyAccess=all, because an
 * unprivileged child cannot send under its parent's PID.
 */
export function createNotifier({ environment, pid, healthy, onError, program = '/usr/bin/systemd-notify' }: NotifierSettings): Notifier {
  const socket = environment['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') {
    return { ready: nothing, reloading: nothing, stopping: nothing, status: nothing, close: () => {} };
  }

  // One after the other: READY=1 must not overtake the RELOADING=1 before it.
  let last: Promise<void> = Promise.resolve();
  const send = (assignments: () => readonly string[]): Promise<void> => {
    last = last.then(async () => {
      // Loaded here: its modules take 60 ms, and bans come first.
      const { execa } = await import('execa');
      const told = await execa(program, assignments(), {
        env: { NOTIFY_SOCKET: socket, LC_ALL: 'C' },
        extendEnv: false,
        timeout: childMs,
        killSignal: 'SIGKILL',
        maxBuffer: 4_096,
        stdin: 'ignore',
        reject: false,
        // Else execa listens for SIGTERM as long as the child runs, and a SIGTERM that comes as it ends is heard by nobody.
        cleanup: false,
      });
      if (told.failed) onError(new Error(`Cannot tell systemd: ${told.shortMessage ?? 'systemd-notify failed'}`, { cause: told }));
    });
    return last;
  };

  let newest: string | undefined;
  let sending: Promise<void> = Promise.resolve();
  const status = (text: string): Promise<void> => {
    if (newest === undefined) {
      sending = send(() => {
        const line = statusLine(newest ?? '');
        newest = undefined;
        return [line];
      });
    }
    newest = text;
    return sending;
  };

  const watchdogMs = watchdogIntervalMs(environment, pid);
  let asking = false;
  const timer =
    watchdogMs === undefined
      ? undefined
      : setInterval(() => {
          if (asking) return;
          asking = true;
          void Promise.resolve()
            .then(healthy)
            .then((yes) => (yes ? send(() => ['WATCHDOG=1']) : undefined))
            .catch((error: unknown) => onError(new Error('The health check itself failed', { cause: error })))
            .finally(() => {
              asking = false;
            });
        }, watchdogMs);
  timer?.unref();

  return {
    ready: (text) => send(() => ['READY=1', statusLine(text)]),
    reloading: () => send(() => ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`]),
    stopping: (text) => send(() => ['STOPPING=1', statusLine(text)]),
    status,
    close: () => clearInterval(timer),
  };
}

/** A line feed would begin another assignment: `MAINPID=1`, say. */
function statusLine(text: string): string {
  return `STATUS=${printable(text).slice(0, 512)}`;
}

/**
 * Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends.
 *
 * @returns undefined if no watchdog waits for this process
 */
function watchdogIntervalMs(environment: NotifierSettings['environment'], pid: number): number | undefined {
  const usec = Number(environment['WATCHDOG_USEC']);
  const forPid = environment['WATCHDOG_PID'];
  if (!Number.isSafeInteger(usec) || usec <= 0 || (forPid !== undefined && forPid !== String(pid))) return undefined;
  return Math.max(1, Math.floor(usec / 2_000));
}
