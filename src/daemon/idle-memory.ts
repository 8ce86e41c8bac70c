import { getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often to look, ms. */
const everyMs = 10_000;
/** Of one core, between two looks: below it there is little to do. */
const idlePart = 0.05;
/** V8's memory must have grown by so much for a collection to be worth it. */
const worthBytes = 8 * 1024 * 1024;

/** What was seen since the look before. */
export interface Look {
  /** Part of one core that was used. */
  readonly busyPart: number;
  /** What V8 has taken from the system. */
  readonly heapBytes: number;
}

/** @returns whether to collect now: there is little to do, and more to be had than after the collection before */
export function createIdleWatch(): (look: Look) => boolean {
  let least = 0;
  return ({ busyPart, heapBytes }) => {
    if (heapBytes < least) least = heapBytes;
    if (busyPart >= idlePart || heapBytes < least + worthBytes) return false;
    least = heapBytes;
    return true;
  };
}

/**
 * Gives back what a start or a flood left behind. V8 collects when somebody allocates, so whoever has nothing to do keeps his garbage: 20 MB after
 * a start, some hundred after a flood. Does not keep the process alive.
 */
export function giveBackWhenIdle(): { readonly stop: () => void } {
  const worthIt = createIdleWatch();
  let cpu = process.cpuUsage();
  let lookedMs = performance.now();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(cpu);
    const nowMs = performance.now();
    const busyPart = (user + system) / 1_000 / (nowMs - lookedMs);
    cpu = process.cpuUsage();
    lookedMs = nowMs;
    // A context that is given up makes V8 suspect garbage. It then marks in small steps over some seconds; asking it for a collection would stop us.
    if (worthIt({ busyPart, heapBytes: getHeapStatistics().total_heap_size })) runInNewContext('0');
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
