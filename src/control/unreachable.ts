import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** No daemon answers; the message says where was looked and what to do. */
export class NotReachableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotReachableError';
  }
}

/** One place where no daemon answered; `code` as errno names it. */
export interface Unreachable {
  readonly kind: 'unreachable';
  readonly socketPath: string;
  readonly code: string;
}

/** One message for all places: a place that is closed to us is more likely the daemon's than one where there is nothing. */
export function explainUnreachable(failures: readonly Unreachable[]): string {
  const denied = failures.find(({ code }) => code === 'EACCES' || code === 'EPERM');
  if (denied !== undefined) {
    const group = groupOf(denied.socketPath);
    const member = group === undefined ? '' : `, or as a member of the group ${group}: sudo usermod -aG ${group} $USER, then log in again`;
    return `You may not use ${denied.socketPath} (permission denied).\nAsk as root: sudo sluice ...${member}.`;
  }
  const stale = failures.find(({ code }) => code === 'ECONNREFUSED');
  if (stale !== undefined) {
    return `The daemon does not run: ${stale.socketPath} was left behind, nobody answers there.\n${howToStart}`;
  }
  const places = failures.map(({ socketPath, code }) => (code === 'ENOENT' ? socketPath : `${socketPath} (${code})`));
  return `The daemon does not run, or elsewhere: no answer at ${places.join(' or ')}.\n${howToStart}`;
}

const howToStart = 'Start it: systemctl start sluice, or in the foreground: sluice run. If it has another socket, name it: --socket PATH.';

/** The name of the group that owns the socket, or of its directory if not even that can be looked into. */
function groupOf(socketPath: string): string | undefined {
  for (const path of [socketPath, dirname(socketPath)]) {
    try {
      const { gid } = statSync(path);
      if (gid === 0) return undefined; // nobody should be told to join root's group
      const line = readFileSync('/etc/group', 'utf8')
        .split('\n')
        .find((each) => each.split(':')[2] === String(gid));
      return line?.split(':')[0];
    } catch {
      // not to be seen from here: its directory may be
    }
  }
  return undefined;
}
