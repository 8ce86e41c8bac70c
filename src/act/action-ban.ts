import type { Address, Prefix } from '../model/address.ts';
import { familyOf, formatSubject } from '../model/address.ts';

/** What the commands of a jail are told of a ban. */
export interface ActionBan {
  readonly address: Address;
  /** What is banned: the address alone, or a network around it. */
  readonly subject: Prefix;
  /** When it began, and when it ends, ms since the epoch; Infinity: never. */
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly failures: number;
  /** Which ban of this subject it is: 1 for the first. */
  readonly count: number;
  /** Lines of the log, oldest first. Bounded by ActionLimits. */
  readonly matches: readonly string[];
  /** What the filter captured, by the lower-case names of its groups: `user` for `<F-USER>`. */
  readonly fields: ReadonlyMap<string, string>;
  /** It is from before a restart. */
  readonly restored: boolean;
}

/** What the commands of a jail are told of the jail. */
export interface JailInfo {
  /** Of a first ban, ms; Infinity: for ever. */
  readonly bantimeMs: number;
  /** `<jail.banned>`, `<jail.banned_total>`, `<jail.found>`, `<jail.found_total>`. */
  readonly counts: () => { readonly banned: number; readonly bannedTotal: number; readonly found: number; readonly foundTotal: number };
  /** All that is known of an address, by this jail or by all: `<ipfailures>`, `<ipmatches>`. undefined: this ban is all. */
  readonly history: (
    address: Address,
    of: 'jail' | 'all',
  ) => { readonly failures: number; readonly matches: readonly string[] } | undefined;
}

/** Lines for one tag, and bytes of one text. */
export const actionLimits = { lines: 10, textBytes: 512 } as const;

/** What `<ip-host>` is where nobody knows a name, as in fail2ban. */
const noName = 'None';

/** As in fail2ban: `<F-ID>` and `<F-PORT>` are groups of another name. */
const renamed: ReadonlyMap<string, string> = new Map([
  ['id', 'fid'],
  ['port', 'fport'],
]);

/**
 * The value of a tag for a ban; or, without one, for starting and stopping.
 *
 * @param family `inet4`, `inet6`, or the empty string
 * @param host the name of the address, if it was asked for
 */
export function tagValue(
  tag: string,
  {
    ban,
    family,
    nowMs,
    jail,
    host,
  }: {
    readonly ban: ActionBan | undefined;
    readonly family: string;
    readonly nowMs: number;
    readonly jail: JailInfo;
    readonly host: string | undefined;
  },
): string {
  if (tag.startsWith('F-')) return fieldOf(tag.slice(2).toLowerCase(), ban);
  const merged = (of: 'jail' | 'all') => (ban === undefined ? undefined : (jail.history(ban.address, of) ?? ban));
  switch (tag) {
    case 'ip':
    case 'fid':
      return ban === undefined ? '' : formatSubject(ban.subject);
    case 'family':
      return family;
    case 'ip-rev':
      return ban === undefined ? '' : reversed(ban.address);
    case 'ip-host':
      return host !== undefined && isHostName(host) ? host : noName;
    case 'failures':
      return String(ban?.failures ?? 0);
    case 'time':
      return pythonSeconds(ban?.sinceMs ?? nowMs);
    case 'bantime':
      return bantimeSeconds(ban === undefined ? jail.bantimeMs : ban.untilMs - ban.sinceMs);
    case 'bancount':
      return String(ban?.count ?? 0);
    case 'restored':
      return ban?.restored === true ? '1' : '0';
    case 'matches':
      return textOfLines(ban?.matches ?? []);
    case 'ipmatches':
      return textOfLines(merged('all')?.matches ?? []);
    case 'ipjailmatches':
      return textOfLines(merged('jail')?.matches ?? []);
    case 'ipfailures':
      return String(merged('all')?.failures ?? 0);
    case 'ipjailfailures':
      return String(merged('jail')?.failures ?? 0);
    case 'jail.banned':
      return String(jail.counts().banned);
    case 'jail.banned_total':
      return String(jail.counts().bannedTotal);
    case 'jail.found':
      return String(jail.counts().found);
    case 'jail.found_total':
      return String(jail.counts().foundTotal);
    default:
      return '';
  }
}

function fieldOf(name: string, ban: ActionBan | undefined): string {
  if (name === 'failures') return String(ban?.failures ?? 0);
  return text(ban?.fields.get(renamed.get(name) ?? name) ?? '');
}

/** The family as tags and parameters call it. */
export function familyTag(address: Address): 'inet4' | 'inet6' {
  return familyOf(address) === 'ipv4' ? 'inet4' : 'inet6';
}

/** `1.2.0.192.`, or every hexadecimal digit of an IPv6 address: the beginning of a name in DNS. */
function reversed(address: Address): string {
  if (familyOf(address) === 'ipv4') return `${address.split('.').toReversed().join('.')}.`;
  const [head = '', tail] = address.split('::');
  const groups = (part: string | undefined) => (part === undefined || part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  const digits = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
  return `${digits.split('').toReversed().join('.')}.`;
}

/** Python prints a whole number of seconds as `1124013600.0`. */
function pythonSeconds(ms: number): string {
  const seconds = ms / 1_000;
  return Number.isInteger(seconds) ? `${seconds}.0` : String(seconds);
}

function bantimeSeconds(ms: number): string {
  return ms === Infinity ? '-1' : String(Math.max(0, Math.floor(ms / 1_000)));
}

/** A name that DNS gives for an address is the word of whoever owns the address. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && /^(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?$/.test(name);
}

const encoder = new TextEncoder();
const buffer = new Uint8Array(actionLimits.textBytes);

/** At most so many bytes, without NUL, which an environment variable cannot hold. */
function text(value: string): string {
  const clean = value
    .slice(0, actionLimits.textBytes * 2)
    .replaceAll('\0', '')
    .toWellFormed();
  return clean.slice(0, encoder.encodeInto(clean, buffer).read);
}

function textOfLines(lines: readonly string[]): string {
  return lines.slice(-actionLimits.lines).map(text).join('\n');
}
