const firstMs = 200;
const longestMs = 30_000;

/** How long to wait before the n-th retry (from 1), ms: 0.2 s, doubled each time, at most 30 s. */
export function backoffMs(attempt: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempt - 1, 16));
}
