import type { F2bJail } from '../../../src/rules/fail2ban/jail-file.ts';
import type { OriginalJail } from './original.ts';

/** Our reading of a jail in the form that the commands of `fail2ban-client -d` come to. */
export function asOriginal(jail: F2bJail): OriginalJail {
  const { filter, options } = jail;
  const set: Record<string, unknown> = {};
  const skipped = new Set(['enabled', 'backend', 'filter', 'action', 'logpath', 'ignoreip', 'failregex', 'ignoreregex', 'journalmatch']);
  for (const [key, { text }] of options) {
    if (!skipped.has(key)) set[key] = numbers.has(key) ? Number(text) : text === 'True' || text === 'False' ? text === 'True' : text;
  }
  if (filter.prefregex !== undefined) set['prefregex'] = filter.prefregex.text;
  if (filter.datepattern.length > 0) set['datepattern'] = filter.datepattern.map(({ text }) => text).join('\n');
  set['maxlines'] = filter.maxlines;
  if (filter.usednsWritten !== undefined) set['usedns'] = filter.usednsWritten;
  const actions: OriginalJail['actions'] = {};
  for (const action of jail.actions) {
    actions[action.name] =
      action.kind === 'python'
        ? { '.py': action.file, parameters: JSON.stringify(Object.fromEntries(action.parameters)) }
        : {
            ...Object.fromEntries([...action.commands].map(([key, { text }]) => [key, text])),
            ...Object.fromEntries(Object.entries(action.switches).map(([key, value]) => [key, String(value)])),
            ...Object.fromEntries(action.parameters),
          };
  }
  return {
    backend: options.get('backend')?.text ?? '',
    failregex: filter.failregex.map(({ text }) => text),
    ignoreregex: filter.ignoreregex.map(({ text }) => text),
    journalmatch: filter.journalmatch.map((words) => [...words]),
    ignoreip: jail.ignoreip.map(({ written }) => written),
    logpath: systemd(jail) ? [] : jail.logpath.flatMap(({ files, from }) => files.map((file) => `${file} ${from}`)),
    set,
    actions,
    started: true,
  };
}
const numbers = new Set(['maxretry', 'maxmatches', 'maxlines']);

function systemd({ options }: F2bJail): boolean {
  return options.get('backend')?.text.startsWith('systemd') === true;
}
