import { readFileSync } from 'node:fs';
import type { NftProblem } from './nft-error.ts';

/** What a person can do about it; one or two sentences. */
export function adviceFor(kind: NftProblem['kind'], environment: NodeJS.ProcessEnv = process.env): string {
  switch (kind) {
    case 'denied':
      // systemd sets INVOCATION_ID for what it starts.
      return environment['INVOCATION_ID'] === undefined
        ? 'Writing to nftables needs CAP_NET_ADMIN: start it as root ("sudo sluice run"); in a container add "--cap-add NET_ADMIN".'
        : 'Writing to nftables needs CAP_NET_ADMIN: add "AmbientCapabilities=CAP_NET_ADMIN" to the unit ("systemctl edit sluice") and restart it.';
    case 'not_installed':
      return `Install nftables ("${installCommand()}"), then restart.`;
    case 'missing':
      return 'The table was removed by somebody else ("nft flush ruleset" does that); it is made again.';
    case 'full':
      return 'What does not fit is tried again as room appears; a larger size is taken up at the next start.';
    case 'changed':
      return 'The table has another form than this version makes; it is made anew.';
    case 'too_long':
      return 'The batch is halved.';
    case 'timeout':
    case 'busy':
      return 'It is tried again; what is in the kernel stays in force.';
    case 'element':
    case 'other':
      return 'It is tried again; "nft list table inet sluice" shows what is there.';
  }
}

/** The line for this distribution, by os-release(5). */
function installCommand(): string {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Not every container has one.
  }
  if (/^ID(?:_LIKE)?=.*(?:debian|ubuntu)/m.test(release)) return 'apt install nftables';
  if (/^ID(?:_LIKE)?=.*(?:rhel|fedora|centos)/m.test(release)) return 'dnf install nftables';
  if (/^ID(?:_LIKE)?=.*suse/m.test(release)) return 'zypper install nftables';
  if (/^ID=.*alpine/m.test(release)) return 'apk add nftables';
  if (/^ID(?:_LIKE)?=.*arch/m.test(release)) return 'pacman -S nftables';
  return "apt install nftables, or your distribution's own command";
}
