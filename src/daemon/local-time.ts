/** Local time as fail2ban's log has it, to the second and without a zone: `2026-11-22 18:04:05`. @param ms since the epoch */
export function localTime(ms: number): string {
  const date = new Date(ms);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The same with ms behind a comma, as Python writes them: `2026-11-22 18:04:05,123`. */
export function localTimeMs(ms: number): string {
  return `${localTime(ms)},${String(new Date(ms).getMilliseconds()).padStart(3, '0')}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
