import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';

/** Why a file cannot be read, and what mends it, for a person. */
export async function fileTrouble(path: string, error: unknown): Promise<string> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `${path} does not exist yet; it is read as soon as it appears`;
  if (code === 'EACCES' || code === 'EPERM') return forbidden(path);
  return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

async function forbidden(path: string): Promise<string> {
  const { username } = userInfo();
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) return `the user ${username} may not look into ${dirname(path)}: setfacl -m u:${username}:x ${dirname(path)}`;
  const groupMayRead = (status.mode & 0o040) !== 0;
  const group = groupMayRead ? await groupName(status.gid) : undefined;
  const mend = group === undefined ? `setfacl -m u:${username}:r ${path}` : `usermod -aG ${group} ${username}, then start again`;
  return `the user ${username} may not read ${path}: ${mend}`;
}

async function groupName(gid: number): Promise<string | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  return groups
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , id]) => id === String(gid))?.[0];
}
