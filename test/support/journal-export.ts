/**
 * An entry as `journalctl --output=json --all` prints it (strings; arrays of bytes; arrays of these two for a field given several times), as
 * `--output=export` prints the same: https://systemd.io/JOURNAL_EXPORT_FORMATS/.
 */
export function exported(entry: Readonly<Record<string, unknown>>): Buffer {
  const fields = Object.entries(entry).flatMap(([name, value]) => valuesOf(value).map((bytes) => field(name, bytes)));
  return Buffer.concat([...fields, Buffer.from('\n')]);
}

function valuesOf(value: unknown): readonly Buffer[] {
  if (typeof value === 'string') return [Buffer.from(value)];
  if (!Array.isArray(value)) return [];
  const items: readonly unknown[] = value;
  return items.length > 0 && items.every((item) => typeof item === 'number') ? [Buffer.from(items)] : items.flatMap(valuesOf);
}

function field(name: string, value: Buffer): Buffer {
  if (isPrintable(value)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}

/** UTF-8 without control characters, TAB excepted: systemd's utf8_is_printable_newline(). */
function isPrintable(value: Buffer): boolean {
  const text = value.toString('utf8');
  // eslint-disable-next-line no-control-regex
  return Buffer.from(text).equals(value) && !/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.test(text);
}
