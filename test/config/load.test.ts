import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { machineNotes } from '../../src/config/built-in.ts';
import { type LoadedConfig, loadBuiltIn, loadConfig } from '../../src/config/load.ts';
import { formatDiagnostics } from '../../src/diagnostic.ts';
import { filters, oneJail, root } from './sample.ts';

const rules = { filters, brokenFilters: [], dialect: root.dialect };
const directory = mkdtempSync(join(tmpdir(), 'sluice-config-'));
after(() => rmSync(directory, { recursive: true }));

let made = 0;
/** A directory with these files; the last part of each path is its name. */
function written(files: Readonly<Record<string, string | Buffer>>): string {
  const place = join(directory, String(made++));
  mkdirSync(join(place, 'conf.d'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(place, name), content);
  return place;
}

/** What the user sees, without the directory. */
function shown({ reading, texts }: LoadedConfig): string {
  const diagnostics = reading.kind === 'config' ? reading.warnings : reading.diagnostics;
  return formatDiagnostics(diagnostics, texts).replaceAll(/\/\S*\/sluice-config-\w+\/\d+\//g, '');
}

describe('a configuration on disk', () => {
  test('is the file, and conf.d/*.yaml beside it in the order of their names', () => {
    const place = written({
      'sluice.yaml': oneJail,
      'conf.d/20-b.yaml': 'jails: { postfix: { maxretry: 20 } }',
      'conf.d/10-a.yaml': 'jails: { postfix: { maxretry: 10, findtime: 1m } }',
      'conf.d/.hidden.yaml': 'nonsense',
      'conf.d/README': 'nonsense',
    });
    const loaded = loadConfig(join(place, 'sluice.yaml'), rules);
    assert.ok(loaded.reading.kind === 'config', shown(loaded));
    const [jail] = loaded.reading.config.jails;
    assert.deepEqual([jail?.maxretry, jail?.findtimeMs], [20, 60_000]);
    assert.equal(shown(loaded), '');
  });

  test('can be one file without conf.d', () => {
    const place = written({ 'sluice.yaml': oneJail });
    rmSync(join(place, 'conf.d'), { recursive: true });
    assert.equal(loadConfig(join(place, 'sluice.yaml'), rules).reading.kind, 'config');
  });

  test('can begin with a byte order mark, which moves no column', () => {
    const place = written({ 'sluice.yaml': `\ufeff${oneJail}metric: off` });
    assert.match(shown(loadConfig(join(place, 'sluice.yaml'), rules)), /^sluice\.yaml:2:1: unknown key "metric"; did you mean "metrics"\?/);
    const first = written({ 'sluice.yaml': `\ufeffmetric: off\n${oneJail}` });
    assert.match(shown(loadConfig(join(first, 'sluice.yaml'), rules)), /^sluice\.yaml:1:1: /);
  });

  test('warns of what looks like a part of it and is not', () => {
    const place = written({ 'sluice.yaml': oneJail, 'conf.d/a.yml': 'metrics: off' });
    const loaded = loadConfig(join(place, 'sluice.yaml'), rules);
    assert.equal(loaded.reading.kind, 'config');
    assert.equal(
      shown(loaded),
      'conf.d/a.yml: warning: is not read: its name does not end in ".yaml"\n  help: mv conf.d/a.yml conf.d/a.yaml\n1 warning',
    );
  });
});

describe('a configuration that cannot be read is refused', () => {
  test('because it is not there', () => {
    const text = shown(loadConfig(join(written({}), 'sluice.yaml'), rules));
    assert.match(
      text,
      /^sluice\.yaml: there is no such file\n {2}help: without -c, sluice reads \/etc\/sluice\/sluice\.yaml, or takes its built-in defaults/,
    );
  });
  test('because it is a directory', () => {
    assert.equal(
      shown(loadConfig(join(written({}), 'conf.d'), rules)),
      'conf.d: is a directory, wanted a file\n  help: write conf.d/sluice.yaml\n1 mistake',
    );
  });
  test('because this user may not', () => {
    const place = written({ 'sluice.yaml': oneJail });
    chmodSync(join(place, 'sluice.yaml'), 0);
    // Root may read everything: be nobody for the call.
    const root = process.geteuid?.() === 0;
    chmodSync(directory, 0o755);
    if (root) process.seteuid?.(65_534);
    try {
      assert.match(
        shown(loadConfig(join(place, 'sluice.yaml'), rules)),
        /^sluice\.yaml: may not be read by this user \(uid \d+\)\n1 mistake$/,
      );
    } finally {
      if (root) process.seteuid?.(0);
    }
  });
  test('because it is empty', () => {
    assert.equal(
      shown(loadConfig(join(written({ 'sluice.yaml': '' }), 'sluice.yaml'), rules)),
      'sluice.yaml: no jail is named: nobody would ever be banned\n  help: name one: jails: { postfix-relay: { filters: [postfix/relay-denied], maxretry: 2 } }\n1 mistake',
    );
  });
  test('because it is Latin-1', () => {
    const place = written({ 'sluice.yaml': Buffer.from(`${oneJail}# gr\u00fc\u00dfe\n`, 'latin1') });
    assert.match(
      shown(loadConfig(join(place, 'sluice.yaml'), rules)),
      /^sluice\.yaml:2:5: this is not UTF-8\n {2}help: most likely Latin-1: iconv -f latin1 -t utf8 /,
    );
  });
  test('because it is too large to be one', () => {
    const place = written({ 'sluice.yaml': Buffer.alloc(4 * 1024 * 1024 + 1, '#') });
    assert.match(
      shown(loadConfig(join(place, 'sluice.yaml'), rules)),
      /^sluice\.yaml: is 4194305 bytes long; a configuration has at most 4194304\n/,
    );
  });
  test('because a file in conf.d cannot be read, which is told beside the other mistakes', () => {
    const place = written({ 'sluice.yaml': `${oneJail}metric: off`, 'conf.d/a.yaml': Buffer.from([0xff]) });
    const text = shown(loadConfig(join(place, 'sluice.yaml'), rules));
    assert.match(text, /^sluice\.yaml:2:1: unknown key "metric"/);
    assert.match(text, /^conf\.d\/a\.yaml:1:1: this is not UTF-8$/m);
    assert.match(text, /^2 mistakes$/m);
  });
});

describe('the built-in defaults', () => {
  // Whether the filters have the patterns that its jails name is shipped.test.ts's matter.
  const everything = { ...rules, filters: [], brokenFilters: ['postfix', 'dovecot', 'sshd', 'pam'] };
  const all = { journal: true, files: ['/var/log/mail.log'], nftables: true };
  const configOn = (machine: typeof all) => {
    const { reading, path } = loadBuiltIn(machine, everything);
    assert.equal(path, undefined);
    return reading.kind === 'config' ? reading.config : assert.fail('mistakes in the built-in defaults');
  };

  test('take own lines from the journal, and others on loopback', () => {
    const { sources, enforce, metrics } = configOn(all);
    assert.equal(sources.own, 'journal');
    assert.deepEqual(sources.files, []);
    assert.deepEqual(
      sources.syslog.map(({ transport, host, port }) => `${transport} ${host} ${port}`),
      ['udp 127.0.0.1 5514', 'tcp 127.0.0.1 5514'],
    );
    assert.equal(enforce.mode, 'nftables');
    assert.deepEqual(metrics, { host: '127.0.0.1', port: 9190 });
    assert.deepEqual(machineNotes(all), []);
  });
  test('take own lines from log files where the journal cannot be read, and say so', () => {
    const machine = { ...all, journal: false };
    const { sources } = configOn(machine);
    assert.equal(sources.own, 'files');
    assert.equal(sources.journal, undefined);
    assert.deepEqual(
      sources.files.map(({ path }) => path),
      ['/var/log/mail.log'],
    );
    assert.deepEqual(machineNotes(machine), [
      'the journal cannot be read by this user (group systemd-journal may): reading /var/log/mail.log',
    ]);
  });
  test('wait for syslog where nothing else can be read, and say so', () => {
    const machine = { ...all, journal: false, files: [] };
    assert.equal(configOn(machine).sources.own, 'syslog');
    assert.match(
      machineNotes(machine).join('\n'),
      /^neither the journal nor a log file can be read .*: waiting for syslog on 127\.0\.0\.1:5514$/,
    );
  });
  test('observe where the kernel does not take bans, and say so', () => {
    const machine = { ...all, nftables: false };
    assert.equal(configOn(machine).enforce.mode, 'observe');
    assert.match(machineNotes(machine).join('\n'), /^nftables is not permitted to this user .*: observing, nobody is banned$/);
  });
});
