const hextet = '[0-9A-Fa-f]{1,4}';
const ip4 = '(?:::f{4,6}:)?(?P<ip4>(?:\\d{1,3}\\.){3}\\d{1,3})';
const ip6 = `(?P<ip6>(?:${hextet}::?|::){1,7}(?:${hextet}|(?<=:):))`;
const dns = '(?P<dns>[\\w.^_-]*\\w)';
const cidr = '(?P<cidr>\\d+)';
const address = `\\[?(?:${ip4}|${ip6})\\]?`;
const subnet = `\\[?(?:${ip4}|${ip6})(?:/${cidr})?\\]?`;

/** What stands for itself, as `<IP4>` and, where it has that form, as `<F-IP4/>`. */
const fixed: Readonly<Record<string, string>> = {
  IP4: ip4,
  IP6: ip6,
  ADDR: address,
  DNS: dns,
  CIDR: cidr,
  SUBNET: subnet,
  'F-IP4/': ip4,
  'F-IP6/': ip6,
  'F-ADDR/': address,
  'F-DNS/': dns,
  'F-CIDR/': cidr,
  'F-SUBNET/': subnet,
  'F-ID/': '(?P<fid>\\S+)',
  'F-PORT/': '(?P<fport>\\w+)',
};

const groupNames: Readonly<Record<string, string>> = { id: 'fid', port: 'fport' };

/** A name as it stands in a tag, as the name of a group or of a field. */
export function groupName(tagName: string): string {
  const name = tagName.toLowerCase();
  return groupNames[name] ?? name;
}

/** A text in which tags have been replaced. */
export interface Expanded {
  readonly text: string;
  /** Offset in the text as it was written, for an offset in the replaced text: of the tag, where it stands in what a tag stood for. */
  readonly sourceOffset: (offset: number) => number;
}

/**
 * Replaces fail2ban's tags in an expression: `<HOST>`, `<ADDR>`, `<F-USER>..</F-USER>`, `<SKIPLINES>`. Tags it does not know stay.
 *
 * @param names whether a host name can stand for the offender (`usedns` is not `no`)
 */
export function expandTags(written: string, { names }: { readonly names: boolean }): Expanded {
  const pieces: { readonly at: number; readonly from: number; readonly length: number }[] = [];
  const opened = new Set<string>();
  let text = '';
  let skipped = 0;
  let done = 0;
  const replacement = (tag: string): string => {
    const name = tag.slice(1, -1);
    if (name === 'HOST') return names ? `(?:${address}|${dns})` : address;
    if (name === 'SKIPLINES') return `\\n(?P<skiplines${skipped++}>(?:(?:.*\\n)*?))`;
    const known = Object.hasOwn(fixed, name) ? fixed[name] : undefined;
    if (known !== undefined) return known;
    const [, closing, own] = /^(\/?)F-([A-Z0-9_-]+)$/.exec(name) ?? [];
    if (own === undefined) return tag;
    if (closing === '/') return opened.has(own) ? ')' : tag;
    opened.add(own);
    return `(?P<${groupName(own)}>`;
  };
  for (const { 0: tag, index } of written.matchAll(/<\/?[\p{L}\p{N}_-]+\/?>/gu)) {
    text += written.slice(done, index);
    const put = replacement(tag);
    if (put !== tag) pieces.push({ at: text.length, from: index, length: put.length });
    text += put;
    done = index + tag.length;
  }
  text += written.slice(done);
  return scopeFlags({ text, sourceOffset: (offset) => offsetBefore(written, pieces, offset) });
}

function offsetBefore(
  written: string,
  pieces: readonly { readonly at: number; readonly from: number; readonly length: number }[],
  offset: number,
): number {
  const last = pieces.findLast(({ at }) => at <= offset);
  if (last === undefined) return Math.min(offset, written.length);
  const behind = offset - last.at - last.length;
  if (behind < 0) return last.from;
  const tagEnd = written.indexOf('>', last.from) + 1;
  return Math.min(tagEnd + behind, written.length);
}

/** `((?i)x)` and `(?:(?i)x)` become `(?i:x)`: flags that once held for all now hold for the group. The group captures nothing then. */
function scopeFlags({ text, sourceOffset }: Expanded): Expanded {
  const shifts: { readonly at: number; readonly by: number }[] = [];
  let out = '';
  let done = 0;
  for (const { 0: found, 1: flags = '', index } of text.matchAll(/(?<!\\)\((?:\?:)?(\(\?[a-z]+)\)/g)) {
    out += `${text.slice(done, index)}${flags}:`;
    done = index + found.length;
    shifts.push({ at: out.length, by: done - out.length });
  }
  out += text.slice(done);
  return { text: out, sourceOffset: (offset) => sourceOffset(offset + (shifts.findLast(({ at }) => at <= offset)?.by ?? 0)) };
}
