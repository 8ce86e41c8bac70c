/** Where things are, for root and for an ordinary user. Pure: the environment is an argument. */

export interface Who {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The configuration that is read if none is named; conf.d/ and rules.d/ are beside it. */
export const configPath = '/etc/sluice/sluice.yaml';

const systemSocket = '/run/sluice/control.sock';
const systemState = '/var/lib/sluice/sluice.db';

/** XDG Base Directory Specification; a relative path in a variable is to be ignored, it says. */
function directory(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path.replace(/\/+$/, '') || '/' : undefined;
}

/** What systemd made for the unit (StateDirectory=, RuntimeDirectory=), systemd.exec(5); the first if there are several. */
function madeBySystemd(paths: string | undefined): string | undefined {
  return directory(paths?.split(':')[0]);
}

export function statePath({ uid, env }: Who): string {
  const made = madeBySystemd(env['STATE_DIRECTORY']);
  if (made !== undefined) return `${made}/sluice.db`;
  return uid === 0 ? systemState : `${userState({ uid, env })}/sluice.db`;
}

export function socketPath({ uid, env }: Who): string {
  const made = madeBySystemd(env['RUNTIME_DIRECTORY']);
  if (made !== undefined) return `${made}/control.sock`;
  return uid === 0 ? systemSocket : userSocket({ uid, env });
}

/**
 * Where a command looks for the daemon, best first.
 *
 * @param given what `--socket` says; then nothing else is tried
 */
export function socketCandidates({ uid, env }: Who, given: string | undefined): readonly string[] {
  const named = given ?? env['SLUICE_SOCKET'];
  if (named !== undefined && named !== '') return [named];
  return [systemSocket, userSocket({ uid, env })];
}

function userSocket(who: Who): string {
  const runtime = directory(who.env['XDG_RUNTIME_DIR']);
  // Without a session (su, cron) there is no runtime directory. The state directory is as private.
  return runtime === undefined ? `${userState(who)}/control.sock` : `${runtime}/sluice/control.sock`;
}

function userState({ uid, env }: Who): string {
  const state = directory(env['XDG_STATE_HOME']);
  if (state !== undefined) return `${state}/sluice`;
  const home = directory(env['HOME']);
  // Never below /tmp: there somebody else could make it first.
  return home === undefined ? `/run/user/${uid}/sluice` : `${home}/.local/state/sluice`;
}
