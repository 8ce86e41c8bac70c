import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Fail2ban, loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { without } from '../../environment.ts';
import { asOriginal } from './as-original.ts';
import { askPython, normal, type OriginalJail, readOriginal } from './original.ts';

const stock = '/etc/fail2ban';

/** A private copy with every jail enabled, whose log files lie beside it: all that stock files name, as empty files. */
function copyOfStock(local: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'slu-f2b-'));
  const copy = join(dir, 'fail2ban');
  cpSync(stock, copy, { recursive: true });
  const logs = join(dir, 'logs');
  for (const name of readdirSync(copy).filter((each) => /^(?:paths-.*|jail)\.conf$/.test(each))) {
    const text = readFileSync(join(copy, name), 'utf8').replaceAll(/(?<=[=\s])\/(?:var|opt|srv|home|root)\/[^\s;]+/g, (path) => {
      const file = join(logs, path.replaceAll('*', 'some'));
      mkdirSync(dirname(file), { recursive: true });
      appendFileSync(file, '');
      return join(logs, path);
    });
    writeFileSync(join(copy, name), text);
  }
  writeFileSync(join(copy, 'jail.local'), local);
  return copy;
}

function compare(ours: Fail2ban, original: Readonly<Record<string, OriginalJail>>): void {
  assert.deepEqual(ours.disabled, []);
  assert.deepEqual(
    ours.jails.map(({ name }) => name),
    Object.keys(original),
  );
  for (const jail of ours.jails) {
    const theirs = original[jail.name];
    assert.ok(theirs !== undefined);
    assert.deepEqual(normal(asOriginal(jail)), normal(theirs), jail.name);
  }
}

/** The ports that our sets close against what fail2ban's own action is told, read by the system's own list of names. */
async function comparePorts(ours: Fail2ban, original: Readonly<Record<string, OriginalJail>>): Promise<void> {
  const actions = ours.jails.flatMap((jail) =>
    jail.actions.flatMap((action) =>
      /^(?:ip|nf)tables/.test(action.file) ? [{ jail: jail.name, action, told: original[jail.name]?.actions[action.name] }] : [],
    ),
  );
  assert.ok(actions.length >= ours.jails.length);
  const expected = await askPython(
    portNumbers,
    actions.map(({ told }) => told?.['port'] ?? ''),
  );
  for (const [index, { jail, action, told }] of actions.entries()) {
    const kernel = action.kind === 'commands' ? action.kernel : undefined;
    const allPorts = action.file.includes('allports') || told?.['type'] === 'allports';
    // pass2allow-ftp turns it round: the port is closed for all but those that it finds.
    if (told?.['blocktype'] === 'RETURN') {
      assert.equal(kernel, undefined, jail);
      continue;
    }
    const ports = kernel?.ports.kind === 'list' ? [kernel.ports.protocol, ...kernel.ports.ports] : kernel?.ports.kind;
    assert.deepEqual(ports, allPorts ? 'all' : [told?.['protocol'], ...(expected[index] as readonly number[])], jail);
  }
}

const portNumbers = `
import socket
def answer(text):
    ports = set()
    for part in text.split(","):
        first, _, last = part.strip().partition(":")
        if last: ports |= set(range(max(1, int(first)), int(last) + 1))
        elif first.isdigit(): ports.add(int(first))
        else: ports.add(socket.getservbyname(first))
    return sorted(ports)
`;

const variants: readonly [local: string, because: string][] = [
  ['[DEFAULT]\nenabled = true\n', 'files, the stock actions'],
  ['[DEFAULT]\nenabled = true\nbackend = systemd\n', 'journal'],
  ['[DEFAULT]\nenabled = true\nmode = aggressive\n', 'where a filter has that mode'],
  [
    '[DEFAULT]\nenabled = true\nbanaction = nftables\nbanaction_allports = nftables[type=allports]\naction = %(action_mwl)s\n',
    'nftables and mail',
  ],
  [
    '[DEFAULT]\nenabled = true\nbanaction = iptables-ipset-proto6\nusedns = no\nbantime = 1d 12h\nbantime.increment = true\nbantime.factor = 2\nignoreip = 127.0.0.1/8 ::1\n',
    'increment',
  ],
];

for (const [local, because] of variants) {
  describe(`the stock configuration with every jail enabled: ${because}`, { skip: without('fail2ban-client') }, async () => {
    const dir = copyOfStock(local);
    after(() => rmSync(dirname(dir), { recursive: true }));

    test('resolves to what fail2ban-client -d prints', async () => {
      const original = await readOriginal(dir);
      assert.equal(original.kind, 'jails');
      const ours = loadFail2ban(dir);
      assert.ok(ours.jails.length > 80, `${ours.jails.length} jails`);
      const theirs = original.kind === 'jails' ? original.jails : {};
      compare(ours, theirs);
      await comparePorts(ours, theirs);
    });
  });
}
