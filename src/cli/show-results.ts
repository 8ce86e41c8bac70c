import type { AllowReply, BanResult, DisallowReply, UnbanReply } from '../control/protocol.ts';
import { printable } from '../diagnostic.ts';
import { formatSubject } from '../model/address.ts';
import { formatUntil } from './moment.ts';
import type { Paint } from './paint.ts';

/** One line for one target. `done`: something was changed. */
export interface ResultLine {
  readonly done: boolean;
  readonly text: string;
}

export function formatBanned(result: BanResult, nowMs: number, paint: Paint): ResultLine {
  if (result.outcome === 'refused') {
    return { done: false, text: `${paint('notable', 'not banned')} ${printable(result.target)}: ${printable(result.because)}` };
  }
  const { subject, jail, until, observe } = result.ban;
  const shown = formatSubject(subject);
  // Who asked for one address and gets its network shall see that, and how to ask for the one.
  const network =
    shown === result.target || result.target.includes('/')
      ? ''
      : `, the network of ${result.target} (for the one address: ${result.target}/128)`;
  const verb = result.outcome === 'already' ? 'already banned' : 'banned';
  const observing = observe ? ', only observed: not in the kernel' : '';
  return {
    done: true,
    text: `${verb} ${paint('heading', shown)}${network} in jail ${printable(jail)} ${formatUntil(until, nowMs)}${observing}`,
  };
}

export function formatUnbanned({ target, count, lifted }: UnbanReply['results'][number], _nowMs: number, paint: Paint): ResultLine {
  if (count === 0) return { done: false, text: target === 'all' ? 'nobody was banned' : `${printable(target)} was not banned` };
  if (target === 'all') return { done: true, text: `unbanned all: ${bans(count)} lifted` };
  const shown = lifted.map(({ jail, subject }) =>
    formatSubject(subject) === target ? printable(jail) : `${printable(jail)} (${formatSubject(subject)})`,
  );
  const more = count > shown.length ? ` and ${count - shown.length} more` : '';
  return { done: true, text: `unbanned ${paint('heading', target)} from ${shown.join(', ')}${more}` };
}

export function formatAllowed({ prefix, until, count, lifted }: AllowReply['results'][number], nowMs: number, paint: Paint): ResultLine {
  const jails = [...new Set(lifted.map(({ jail }) => printable(jail)))].join(', ');
  const freed = count === 0 ? '' : `, ${bans(count)} lifted (${jails})`;
  return { done: true, text: `allowed ${paint('heading', formatSubject(prefix))} ${formatUntil(until, nowMs)}${freed}` };
}

export function formatDisallowed({ prefix, removed }: DisallowReply['results'][number], _nowMs: number, paint: Paint): ResultLine {
  if (!removed) return { done: false, text: `${formatSubject(prefix)} was not allowed by "sluice allow"` };
  return { done: true, text: `no longer allowed ${paint('heading', formatSubject(prefix))}` };
}

function bans(count: number): string {
  return count === 1 ? '1 ban' : `${count} bans`;
}
