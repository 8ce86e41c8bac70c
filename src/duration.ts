/** What people write for a length of time: `90s 15m 1h30m 2d 1w permanent`. */

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * @returns ms; Infinity for `permanent`; undefined for anything else. A bare number is refused: seconds or minutes is a guess.
 */
export function parseDuration(text: string): number | undefined {
  if (text === 'permanent') return Infinity;
  if (!/^(?:\d{1,9}(?:ms|[smhdw]))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdw])/g)) total += Number(count) * unitMs[unit as keyof typeof unitMs];
  return total;
}

/** The two largest units, rounded down: `1h30m`, `2d`, `350ms`, `permanent`. */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return 'permanent';
  if (ms < 1_000) return `${Math.max(0, Math.floor(ms))}ms`;
  const parts: string[] = [];
  let rest = Math.floor(ms / 1_000) * 1_000;
  for (const unit of ['w', 'd', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / unitMs[unit]);
    rest -= count * unitMs[unit];
    if (count > 0) parts.push(`${count}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join('');
}

/** All units, so that parseDuration gives the same ms back: for what must not be rounded. @param ms a whole number, or Infinity */
export function exactDuration(ms: number): string {
  if (ms === Infinity) return 'permanent';
  let rest = ms;
  let out = '';
  for (const unit of ['w', 'd', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / unitMs[unit]);
    rest -= count * unitMs[unit];
    if (count > 0) out += `${count}${unit}`;
  }
  return out === '' ? '0s' : out;
}
