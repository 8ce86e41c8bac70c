/**
 * Whether a record of this program is for a filter that names `spec`.
 *
 * `postfix/smtpd`: any program whose last part is `smtpd`, whatever stands before it (`postfix/submission/smtpd`, `postfix-out/smtpd`: the
 * administrator chooses it), and the bare tag `postfix`, because rsyslog's RFC 5424 template cuts APP-NAME at the slash. The bare tag of a
 * second instance is `postfix-NAME` (postmulti(1) insists on that), and counts as well. Without a slash: exactly this program.
 */
export function programMatches(spec: string, appName: string): boolean {
  const slash = spec.lastIndexOf('/');
  if (slash === -1) return appName === spec;
  const cut = appName.lastIndexOf('/');
  if (cut !== -1) return appName.slice(cut) === spec.slice(slash);
  const bare = spec.slice(0, slash);
  return appName === bare || appName.startsWith(`${bare}-`);
}
