import assert from 'node:assert/strict';
import type { Config } from '../../src/config/config.ts';
import { type ConfigContext, type ConfigReading, parseConfig } from '../../src/config/parse.ts';
import type { KnownFilter } from '../../src/config/resolve-jails.ts';
import { formatDiagnostics } from '../../src/diagnostic.ts';
import { fail2banDialect } from '../../src/rules/fail2ban/dialect.ts';

/** Filters as the shipped rules have them, in small. */
export const filters: readonly KnownFilter[] = [
  {
    name: 'postfix',
    ports: { kind: 'list', protocol: 'tcp', ports: [25, 465, 587] },
    patterns: ['relay-denied', 'non-smtp', 'pipelining', 'pregreet', 'sasl-failed', 'unknown-user', 'dnsbl'].map((name) => ({ name })),
  },
  {
    name: 'sshd',
    ports: { kind: 'list', protocol: 'tcp', ports: [22] },
    patterns: [{ name: 'failed-password' }, { name: 'invalid-user' }],
  },
  { name: 'named', ports: { kind: 'list', protocol: 'both', ports: [53] }, patterns: [{ name: 'refused' }] },
];

export const root: ConfigContext = {
  uid: 0,
  env: {},
  services: 'urd\t465/tcp\t\tssmtp # URL Rendezvous\n',
  syslogUid: 104,
  filters,
  brokenFilters: [],
  dialect: fail2banDialect({ nowMs: Date.UTC(2026, 10, 22), random: () => 0.5 }),
};

/** A configuration needs a jail: this one stands for it where a test is about something else. */
export const oneJail = 'jails: { postfix: { filters: [postfix] } }\n';

/** Reads one file, /etc/sluice/sluice.yaml, as root. */
export function read(text: string, context: Partial<ConfigContext> = {}): ConfigReading {
  return parseConfig([{ path: 'sluice.yaml', text }], { ...root, ...context });
}

export function configOf(text: string, context: Partial<ConfigContext> = {}): Config {
  const reading = read(text, context);
  assert.equal(reading.kind, 'config', shownMistakes(reading, text));
  return reading.kind === 'config' ? reading.config : assert.fail();
}

/** What the user sees of all mistakes and warnings. */
export function shownMistakes(reading: ConfigReading, text: string): string {
  return formatDiagnostics(reading.kind === 'config' ? reading.warnings : reading.diagnostics, new Map([['sluice.yaml', text]]));
}
