import type { DaemonEvent } from '../control/event.ts';
import { printable } from '../diagnostic.ts';
import { formatSubject } from '../model/address.ts';
import { formatFor, formatLocal, formatUntil } from './moment.ts';
import type { Paint, Tone } from './paint.ts';

/** One event as one line. */
export function formatEvent(event: DaemonEvent, paint: Paint): string {
  const { tone, text } = tell(event);
  const name = event.kind.padEnd(8);
  return `${paint('faint', formatLocal(event.time))}  ${tone === undefined ? name : paint(tone, name)} ${printable(text)}\n`;
}

function tell(event: DaemonEvent): { readonly tone: Tone | undefined; readonly text: string } {
  switch (event.kind) {
    case 'failure': {
      const { subject, failures, maxretry, jail, filter, pattern, source, line } = event;
      return {
        tone: undefined,
        text: `${formatSubject(subject)} ${failures}/${maxretry} in ${jail}: ${filter}/${pattern} from ${source}: ${line}`,
      };
    }
    case 'ignored':
      return { tone: 'faint', text: `${formatSubject(event.subject)} in ${event.jail}: ${event.because}${behind(event.detail)}` };
    case 'ban': {
      const { subject, jail, until, since, observe, origin, count } = event.ban;
      const who = event.address === null || event.address === formatSubject(subject) ? '' : ` (for ${event.address})`;
      const length = formatFor(until === null ? null : Date.parse(until) - Date.parse(since));
      const why = event.failures === null ? origin : `${event.failures} failures`;
      const again = count > 1 ? `, ban number ${count}` : '';
      const text = `${formatSubject(subject)}${who} by ${jail} ${length}: ${why}${again}${observe ? ', observe: would be banned' : ''}`;
      return { tone: observe ? 'notable' : 'bad', text };
    }
    case 'unban':
      return { tone: 'good', text: `${formatSubject(event.subject)} from ${event.jail}: ${event.because}` };
    case 'allow':
      return { tone: 'good', text: `${formatSubject(event.prefix)} ${formatUntil(event.until, Date.parse(event.time))}` };
    case 'source':
      return { tone: event.up ? 'good' : 'bad', text: `${event.source} is ${event.up ? 'up' : 'down'}${behind(event.detail)}` };
    case 'lost':
      return { tone: 'bad', text: `${event.source} lost ${event.count} records${behind(event.detail)}` };
    case 'notice':
      return { tone: event.level === 'info' ? undefined : event.level === 'warning' ? 'notable' : 'bad', text: event.message };
    case 'missed':
      return { tone: 'notable', text: `${event.count} events were not sent here: this terminal was too slow` };
  }
}

function behind(detail: string): string {
  return detail === '' ? '' : `: ${detail}`;
}
