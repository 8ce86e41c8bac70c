/** What people write for a number of bytes: `64KiB`, `8MiB`, `8M`. All units are 1024-based, and a bare number is refused. */

const unitBytes = { KiB: 1024, K: 1024, MiB: 1024 ** 2, M: 1024 ** 2, GiB: 1024 ** 3, G: 1024 ** 3 } as const;

export const sizePattern = /^(\d{1,6})(KiB|MiB|GiB|K|M|G)$/;

/** @returns bytes; undefined for anything that is not a size */
export function parseSize(text: string): number | undefined {
  const [, count, unit] = sizePattern.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * unitBytes[unit as keyof typeof unitBytes];
}

/** The largest unit that leaves no fraction: `64KiB`, `1536KiB`; below 1 KiB, `100B`. */
export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
    if (bytes > 0 && bytes % unitBytes[unit] === 0) return `${bytes / unitBytes[unit]}${unit}`;
  }
  return `${bytes}B`;
}
