import { accessSync, constants } from 'node:fs';
import { delimiter } from 'node:path';

/** What a test needs of the machine beyond Node. Debian package names stand in scripts/test, which installs them where it may. */
export type Need =
  | 'root'
  | 'nft'
  | 'ip'
  | 'rsyslogd'
  | 'systemd-journald'
  | 'journalctl'
  | 'postfix'
  | 'fail2ban-client'
  | 'python3'
  | 'prometheus'
  | 'promtool'
  | 'systemd-analyze'
  | 'systemd-notify'
  | 'systemd-sysusers'
  | 'perl'
  | 'logger'
  | 'utmpdump'
  | 'setpriv'
  | 'unshare'
  | 'nsenter'
  | 'prlimit'
  | 'faketime'
  | 'mkfs.ext4';

const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/lib/systemd'];

/** The full path of a program, also where /usr/sbin is not in PATH; undefined if it is not installed. */
export function program(name: string): string | undefined {
  for (const place of places) {
    try {
      accessSync(`${place}/${name}`, constants.X_OK);
      return `${place}/${name}`;
    } catch {
      // not there: look in the next place
    }
  }
  return undefined;
}

/**
 * For the `skip` option of a test: false if all is there, else what is missing, which the reporter prints.
 *
 * @throws with CI=true: there nothing may be left out.
 */
export function without(...needs: readonly Need[]): string | false {
  const missing = needs.filter((need) => (need === 'root' ? process.getuid?.() !== 0 : program(need) === undefined));
  if (missing.length === 0) return false;
  const reason = `left out: needs ${missing.join(', ')}`;
  if (process.env['CI'] === 'true') throw new Error(`${reason}, and CI leaves nothing out`);
  return reason;
}
