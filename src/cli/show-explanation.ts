import { printable } from '../diagnostic.ts';
import { formatDuration } from '../duration.ts';
import type { Evidence, Explanation } from '../control/protocol.ts';
import { formatSubject, type Prefix } from '../model/address.ts';
import { formatLocal, formatRelative, formatUntil } from './moment.ts';
import type { Paint } from './paint.ts';

/** `sluice explain ADDRESS`: the verdict in the first sentence, then why, then what can be done. */
export function formatExplanation(explanation: Explanation, nowMs: number, paint: Paint): string {
  const { address } = explanation;
  const parts = [
    verdict(explanation, nowMs, paint),
    facts(explanation, nowMs, paint),
    evidence(explanation.evidence, paint),
    explanation.bans.some(({ observe }) => !observe)
      ? `To lift it:            sluice unban ${address}\nTo never ban it again: sluice allow ${address}\n`
      : '',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function verdict({ address, bans, windows, history, protected: why, evidence: lines }: Explanation, nowMs: number, paint: Paint): string {
  const name = paint('heading', address);
  const [first] = bans.filter(({ observe }) => !observe).toSorted((a, b) => endMs(b.until) - endMs(a.until));
  if (first !== undefined) {
    const network = formatSubject(first.subject) === address ? '' : ` with its network ${first.subject}`;
    return `${name} is ${paint('bad', 'banned')}${network} by jail ${printable(first.jail)} ${formatUntil(first.until, nowMs)}.\n`;
  }
  if (why !== null) return `${name} is ${paint('good', 'never banned')}: ${printable(why)}.\n`;
  if (bans.length > 0)
    return `${name} is not banned, but ${paint('notable', 'would be')}: its jail only observes, or whoever sent the lines is not believed.\n`;
  if (windows.length > 0) return `${name} is not banned, but ${paint('notable', 'watched')}.\n`;
  if (history.length > 0 || lines.length > 0) return `${name} is not banned, but known.\n`;
  return `${name} is not banned, and nothing is known of it.\n`;
}

function facts(
  { address, protected: protectedBy, bans, windows, history, kernel, kernelDetail }: Explanation,
  nowMs: number,
  paint: Paint,
): string {
  const out: string[] = [];
  const fact = (name: string, text: string) => out.push(`  ${paint('faint', printable(name).padEnd(16))} ${text}`);
  // Allowed a moment ago, or logged in from: the ban goes with the next look at the host.
  if (protectedBy !== null && bans.some(({ observe }) => !observe))
    fact('never banned', `${printable(protectedBy)}; the ban is about to be lifted`);
  const whole = (subject: Prefix) => (formatSubject(subject) === address ? '' : ` of ${subject}`);
  for (const ban of bans) {
    const would = ban.observe ? 'would be banned (observe) ' : 'banned ';
    const count = ban.count > 1 ? `, ban number ${ban.count}: it came back` : '';
    fact(
      ban.jail,
      `${would}since ${formatLocal(ban.since)} (${formatRelative(ban.since, nowMs)}), ${formatUntil(ban.until, nowMs)}${count}`,
    );
    fact('', why(ban) + whole(ban.subject));
  }
  for (const { jail, subject, failures, maxretry, findtimeMs, last, observe } of windows) {
    const would = observe ? ', then would be banned (observe)' : '';
    const seen = `the last ${formatLocal(last)} (${formatRelative(last, nowMs)})`;
    fact(jail, `${failures} of ${maxretry} failures within ${formatDuration(findtimeMs)}${whole(subject)}, ${seen}${would}`);
  }
  for (const { jail, subject, count, ended } of history) {
    const times = count === 1 ? 'once' : `${count} times`;
    fact(jail, `was banned ${times}${whole(subject)}, the last ban ended ${formatLocal(ended)} (${formatRelative(ended, nowMs)})`);
  }
  for (const { set, element } of kernel ?? []) fact('kernel', `set ${printable(set)} holds ${printable(element)}`);
  const enforced = bans.some(({ observe }) => !observe);
  if (enforced && kernel?.length === 0) fact('kernel', paint('bad', `has no element for it${detail(kernelDetail)}`));
  if (kernel === null && kernelDetail !== '') fact('kernel', printable(kernelDetail));
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

function why({ origin, failures, maxretry, findtimeMs }: Explanation['bans'][number]): string {
  if (origin === 'manual') return 'by hand (sluice ban)';
  if (origin === 'import') return 'carried over by an import';
  if (failures === null || maxretry === null || findtimeMs === null) return 'failures are no longer known';
  return `${failures} ${failures === 1 ? 'failure' : 'failures'} within ${formatDuration(findtimeMs)} (maxretry ${maxretry})`;
}

function evidence(lines: readonly Evidence[], paint: Paint): string {
  if (lines.length === 0) return '';
  const shown = lines.flatMap(({ time, filter, pattern, source, jails, line }) => [
    `  ${formatLocal(time)}  ${printable(`${filter}/${pattern}`)} from ${printable(source)}, counted in ${printable(jails.join(', ')) || 'no jail'}`,
    `    ${printable(line)}`,
  ]);
  return `${paint('faint', 'The last lines that counted:')}\n${shown.join('\n')}\n`;
}

function detail(text: string): string {
  return text === '' ? '' : `: ${printable(text)}`;
}

function endMs(until: string | null): number {
  return until === null ? Number.MAX_VALUE : Date.parse(until);
}
