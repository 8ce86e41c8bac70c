import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { execa } from 'execa';
import { type JournalDeps, type JournalPosition, openJournal } from '../../src/receive/journal.ts';
import { probeJournal } from '../../src/receive/journal-probe.ts';
import { findJournalctl } from '../../src/receive/journalctl.ts';
import type { LogRecord } from '../../src/model/record.ts';
import type { JournalSettings, Source } from '../../src/model/source.ts';
import { without } from '../environment.ts';
import { type Journald, type Place, cgroups, startJournald, withoutJournald } from '../support/journald.ts';
import { type RecordedSink, recordedSink } from '../support/recorded-sink.ts';

const postfix = { identifier: 'postfix/smtpd', uid: 0, cgroup: cgroups.postfix };
const someone = { uid: 1000, cgroup: cgroups.session };
/** What logger --journald sends. It is gone before journald can see its unit. */
const nativeProtocol = ['_TRANSPORT=journal'];
const inPostfix = ['_SYSTEMD_SLICE=system-postfix.slice'];

describe('the journal', { skip: withoutJournald() || without('logger') }, () => {
  let journald: Journald;
  const open: Source[] = [];
  before(async () => {
    journald = await startJournald();
  });
  afterEach(async () => {
    for (const source of open.splice(0)) await source.stop();
  });
  after(() => journald.stop());

  const settings = (changed: Partial<JournalSettings> = {}): JournalSettings => ({
    kind: 'journal',
    name: 'own',
    matches: [inPostfix],
    directory: journald.directory,
    namespace: undefined,
    silenceMs: 0,
    ...changed,
  });

  async function follow(sink: RecordedSink, deps: Partial<JournalDeps> = {}, changed: Partial<JournalSettings> = {}): Promise<Source> {
    const source = await openJournal(settings(changed), sink, {
      nowMs: Date.now,
      position: undefined,
      startAt: { kind: 'end' },
      ...deps,
    });
    open.push(source);
    return source;
  }

  test('hands over what is logged, with what journald says of the sender', async () => {
    const sink = recordedSink();
    await follow(sink);
    await journald.log('connect from mail.example[192.0.2.7]', postfix);
    await sink.until(count(1));
    const [record] = sink.records;
    assert.equal(record?.text, 'connect from mail.example[192.0.2.7]');
    assert.equal(record.appName, 'postfix/smtpd');
    assert.equal(record.source, 'own');
    assert.equal(record.trust, 'full');
    assert.equal(record.catchingUp, false);
    assert.ok(record.stamp && Math.abs(record.receivedMs - record.stamp.ms) < 10_000);
    assert.deepEqual(
      ['_UID', '_SYSTEMD_UNIT', '_SYSTEMD_SLICE', '_TRANSPORT', '_COMM'].map((name) => record.trusted?.get(name)),
      ['0', 'postfix@-.service', 'system-postfix.slice', 'syslog', 'perl'],
    );
    assert.deepEqual(sink.ups, [{ up: true, detail: '' }]);
  });

  test("shows a local user's forgery with his own uid and unit", async () => {
    const sink = recordedSink();
    await follow(sink, {}, { matches: [['SYSLOG_IDENTIFIER=postfix/smtpd']] });
    await inPlace(journald, someone, ['logger', '--tag=postfix/smtpd'], 'reject: by logger');
    await journald.log('reject: forged', { identifier: 'postfix/smtpd', ...someone });
    await sink.until(count(2));
    const trusted = (name: string) => sink.records.map((record) => record.trusted?.get(name));
    assert.deepEqual(sink.texts(), ['reject: by logger', 'reject: forged']);
    assert.deepEqual(trusted('_UID'), ['1000', '1000']);
    assert.equal(trusted('_SYSTEMD_UNIT')[1], 'session-1.scope');
    assert.deepEqual(trusted('SYSLOG_IDENTIFIER'), [undefined, undefined]);
  });

  test('and leaves it out where the matches are trusted fields', async () => {
    const sink = recordedSink();
    await follow(sink);
    await journald.log('reject: forged', { identifier: 'postfix/smtpd', ...someone });
    await journald.log('reject: real', postfix);
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['reject: real']);
  });

  test('joins groups of matches by OR', async () => {
    const sink = recordedSink();
    await follow(sink, {}, { matches: [inPostfix, ['_SYSTEMD_UNIT=ssh.service', '_UID=0']] });
    await journald.log('one', postfix);
    await journald.log('two', { identifier: 'sshd', uid: 0, cgroup: cgroups.ssh });
    await journald.log('other uid', { identifier: 'sshd', uid: 1000, cgroup: cgroups.ssh });
    await journald.log('three', postfix);
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });

  test('control bytes, bytes that are no UTF-8 and long lines arrive whole', async () => {
    const sink = recordedSink();
    await follow(sink);
    const long = `${'x'.repeat(20_000)} end`;
    await journald.log(['a\x1b[31mb\x7f', 'ä\u2028ö', long], postfix);
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['a\x1b[31mb\x7f', 'ä\u2028ö', long]);
  });

  test('of what the sieve passes over only the number is told, and where reading goes on', async () => {
    const beginMs = Date.now();
    const texts = numbered('passed', 60).map((text, index) => (index % 20 === 5 ? `reject ${index}\nof two lines` : text));
    await journald.log(texts, postfix);
    const all = recordedSink();
    await follow(all, { startAt: { kind: 'since', sinceMs: beginMs } });
    await all.until(count(60)); // journald has written them
    const sieved = recordedSink();
    const find = (bytes: Buffer, start: number, end: number): number => {
      const found = bytes.subarray(0, end).indexOf('reject', start);
      return found === -1 ? end : found;
    };
    const source = await follow(sieved, { startAt: { kind: 'since', sinceMs: beginMs }, find });
    await sieved.until((sink) => sink.total().records >= 60);
    await source.stop();
    const rejects = (sink: RecordedSink): readonly LogRecord[] => sink.records.filter(({ text }) => text.startsWith('reject'));
    assert.deepEqual(rejects(sieved).map(withoutReceipt), rejects(all).map(withoutReceipt));
    assert.equal(sieved.total().records, 60);
    assert.ok(sieved.records.length < 20, `${sieved.records.length} of 60 were read`);
    assert.deepEqual(sieved.records.at(-1)?.origin, all.records.at(-1)?.origin);
  });

  test('after a stop goes on behind the last record, however many came meanwhile', async () => {
    const first = recordedSink();
    const source = await follow(first);
    await journald.log(numbered('before', 3), postfix);
    await first.until(count(3));
    await source.stop();
    await journald.log(numbered('meanwhile', 25), postfix);

    const second = recordedSink();
    await follow(second, { position: positionOf(first.records.at(-1)) });
    await second.until(count(25));
    await journald.log('afterwards', postfix);
    await second.until(count(26));
    assert.deepEqual([...first.texts(), ...second.texts()], [...numbered('before', 3), ...numbered('meanwhile', 25), 'afterwards']);
    assert.deepEqual(second.losses, []);
  });

  test('without a position begins where it is told', async () => {
    const beginMs = Date.now();
    await journald.log(numbered('since', 15), postfix);
    const since = recordedSink();
    await follow(since, { startAt: { kind: 'since', sinceMs: beginMs } });
    await since.until(count(15));
    assert.deepEqual(since.texts(), numbered('since', 15));

    const whole = recordedSink();
    await follow(whole, { startAt: { kind: 'start' } });
    await whole.until((sink) => sink.texts().at(-1) === 'since 14');
    assert.ok(whole.records.length > 15);
  });

  test('starts journalctl again when it dies: nothing is lost, nothing comes twice', async () => {
    const sink = recordedSink();
    const children = journalctls();
    await follow(sink);
    await journald.log(numbered('a', 5), postfix);
    await sink.until(count(5));
    for (const pid of journalctls()) if (!children.includes(pid)) process.kill(pid, 'SIGKILL');
    await journald.log(numbered('b', 20), postfix);
    await sink.until(count(25));
    await journald.log('c', postfix);
    await sink.until(count(26));
    assert.deepEqual(sink.texts(), [...numbered('a', 5), ...numbered('b', 20), 'c']);
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['restart'],
    );
    assert.match(sink.errors[0]?.detail ?? '', /SIGKILL/);
    assert.deepEqual(sink.losses, []);
  });

  test('a cursor that means nothing is a gap, and reading goes on by time', async () => {
    const beginMs = Date.now();
    await journald.log('x', postfix);
    const sink = recordedSink();
    await follow(sink, { position: { cursor: 'no cursor', realtimeMs: beginMs } });
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['x']);
    assert.deepEqual(
      sink.losses.map(({ reason, count: lost }) => [reason, lost]),
      [['cursor_gap', 1]],
    );
  });

  test('a cursor whose entry was vacuumed away is a gap, and the first entry that is left comes', async () => {
    const own = await startJournald();
    try {
      const first = recordedSink();
      const source = await follow(first, {}, { directory: own.directory });
      await own.log('known', postfix);
      await first.until(count(1));
      await source.stop();
      await own.log('lost', postfix);
      await own.rotate();
      await own.vacuum();
      await own.log(numbered('kept', 3), postfix);
      const second = recordedSink();
      await follow(second, { position: positionOf(first.records[0]) }, { directory: own.directory });
      await second.until((sink) => sink.records.length >= 3 && sink.losses.length > 0);
      assert.deepEqual(second.texts(), numbered('kept', 3));
      assert.deepEqual(
        second.losses.map(({ reason, count: lost }) => [reason, lost]),
        [['cursor_gap', 1]],
      );
    } finally {
      for (const source of open.splice(0)) await source.stop();
      await own.stop();
    }
  });

  test('matches that no longer fit the cursor are no gap', async () => {
    const first = recordedSink();
    const source = await follow(first);
    await journald.log('of postfix', postfix);
    await first.until(count(1));
    await source.stop();
    await journald.log(['ssh 1', 'ssh 2'], { identifier: 'sshd', uid: 0, cgroup: cgroups.ssh });
    const second = recordedSink();
    const again = await follow(second, { position: positionOf(first.records[0]) }, { matches: [['_SYSTEMD_UNIT=ssh.service']] });
    await second.until(count(2));
    await again.stop();
    assert.deepEqual(second.texts(), ['ssh 1', 'ssh 2']);
    assert.deepEqual(second.losses, []);
  });

  test('goes on while files are rotated', async () => {
    const sink = recordedSink();
    await follow(sink);
    for (const name of ['a', 'b', 'c']) {
      await journald.log(numbered(name, 10), postfix);
      await journald.rotate();
    }
    await journald.log('end', postfix);
    await sink.until((heard) => heard.texts().includes('end'));
    assert.deepEqual(sink.texts(), [...numbered('a', 10), ...numbered('b', 10), ...numbered('c', 10), 'end']);
  });

  test('hands over nothing while paused, and everything afterwards', async () => {
    const sink = recordedSink();
    const source = await follow(sink);
    source.pause();
    await journald.log(numbered('p', 5), postfix);
    const other = recordedSink();
    await follow(other, { startAt: { kind: 'since', sinceMs: 0 } });
    await other.until((heard) => heard.texts().at(-1) === 'p 4');
    assert.deepEqual(sink.texts(), []);
    source.resume();
    await sink.until(count(5));
    assert.deepEqual(sink.texts(), numbered('p', 5));
  });

  test('suppressed messages are counted as lost, those of others are not', async () => {
    const own = await startJournald(['RateLimitIntervalSec=300ms', 'RateLimitBurst=20']);
    try {
      const sink = recordedSink();
      await follow(sink, {}, { directory: own.directory });
      // journald tells how many it suppressed with the first message after the interval.
      const ssh = { identifier: 'sshd', uid: 0, cgroup: cgroups.ssh };
      while (sink.losses.length === 0) {
        await own.log(numbered('s', 50), ssh);
        await own.log(numbered('p', 50), postfix);
      }
      assert.equal(sink.losses[0]?.reason, 'suppressed');
      assert.ok(sink.losses[0].count >= 1);
      for (const { detail } of sink.losses) assert.match(detail, /postfix@-\.service/);
    } finally {
      for (const source of open.splice(0)) await source.stop();
      await own.stop();
    }
  });

  test('a process that says the same as journald suppresses nothing', async () => {
    const sink = recordedSink();
    await follow(sink, {}, { matches: [inPostfix, nativeProtocol] });
    const forged = ['MESSAGE=Suppressed 9 messages', 'MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e', 'N_DROPPED=9', '_TRANSPORT=driver'];
    await inPlace(journald, postfix, ['logger', '--journald'], `${forged.join('\n')}\n`);
    await journald.log('end', postfix);
    await sink.until((heard) => heard.texts().includes('end'));
    assert.deepEqual(sink.texts(), ['Suppressed 9 messages', 'end']);
    assert.deepEqual(sink.losses, []);
  });

  test('stopping leaves no process behind', async () => {
    const before = journalctls();
    const source = await follow(recordedSink());
    assert.equal(journalctls().length, before.length + 1);
    await source.stop();
    assert.deepEqual(journalctls(), before);
  });

  test('journalctl ends when this process is killed', async () => {
    const program = `
      import { openJournal } from ${JSON.stringify(import.meta.resolve('../../src/receive/journal.ts'))};
      const nothing = () => undefined;
      const sink = { record: nothing, read: nothing, error: nothing, lost: nothing, up: nothing, connections: nothing };
      await openJournal(${JSON.stringify(settings())}, sink, { nowMs: Date.now, position: undefined, startAt: { kind: 'end' } });
      console.log('following');
    `;
    const child = execa(process.execPath, ['--input-type=module', '--eval', program], { reject: false, buffer: false });
    await once(child.stdout, 'data');
    const [journalctl = 0] = journalctls(child.pid);
    assert.ok(journalctl > 0);
    const gone = exitOf(journalctl);
    child.kill('SIGKILL');
    await child;
    // Nobody reads its output any more; it finds out as soon as it is woken.
    await journald.log('wake up', postfix);
    await gone;
  });

  test('an entry beyond all bounds is skipped and counted; the next one comes', async () => {
    const sink = recordedSink();
    await follow(sink, {}, { matches: [inPostfix, nativeProtocol] });
    const fields = Buffer.concat([Buffer.from('MESSAGE='), Buffer.alloc(1_100_000, 0xff), Buffer.from('\n')]);
    await inPlace(journald, postfix, ['logger', '--journald'], fields);
    await journald.log('next', postfix);
    await sink.until((heard) => heard.texts().includes('next'));
    assert.deepEqual(sink.texts(), ['next']);
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['oversize'],
    );
  });

  describe('that this user may not read', () => {
    let place: string;
    let nobody: string;
    before(() => {
      place = mkdtempSync(join(tmpdir(), 'slu-nobody-'));
      nobody = join(place, 'journalctl');
      writeFileSync(nobody, `#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups ${findJournalctl()} "$@"\n`, {
        mode: 0o755,
      });
    });
    after(() => rmSync(place, { recursive: true }));

    test('is down, with the line that mends it', async () => {
      const sink = recordedSink();
      await follow(sink, { journalctl: nobody });
      assert.equal(sink.ups[0]?.up, false);
      assert.match(sink.ups[0].detail, /may not read the journal: usermod -aG systemd-journal \w+/);
    });
    test('is not what the built-in defaults take', async () => {
      const probe = await probeJournal(nobody, { directory: journald.directory, namespace: undefined });
      assert.equal(probe.readable, false);
      assert.match(probe.mend, /usermod -aG systemd-journal/);
    });
  });

  test('is what the built-in defaults take if it can be read', async () => {
    assert.deepEqual(await probeJournal(findJournalctl(), { directory: journald.directory, namespace: undefined }), { readable: true });
  });
});

test('without journalctl the source is down and says what to install', async () => {
  const sink = recordedSink();
  const settings: JournalSettings = { kind: 'journal', name: 'own', matches: [], directory: undefined, namespace: undefined, silenceMs: 0 };
  const source = await openJournal(settings, sink, {
    nowMs: Date.now,
    position: undefined,
    startAt: { kind: 'end' },
    journalctl: '/nonexistent/journalctl',
  });
  await source.stop();
  assert.equal(sink.ups[0]?.up, false);
  assert.match(sink.ups[0].detail, /journalctl is not installed: install systemd/);
});

test('a match that journalctl would take for an option is refused', async () => {
  const settings: JournalSettings = {
    kind: 'journal',
    name: 'own',
    matches: [['--file=/etc/passwd']],
    directory: undefined,
    namespace: undefined,
    silenceMs: 0,
  };
  await assert.rejects(
    openJournal(settings, recordedSink(), { nowMs: Date.now, position: undefined, startAt: { kind: 'end' } }),
    /not a match/,
  );
});

/** Child processes that run journalctl. */
function journalctls(parent: number | undefined = process.pid): number[] {
  return readdirSync(`/proc/${parent}/task`)
    .flatMap((task) => readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8').trim().split(' '))
    .filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'journalctl')
    .map(Number);
}

/** tail(1) ends with the process. */
async function exitOf(pid: number): Promise<void> {
  await execa('tail', [`--pid=${pid}`, '--sleep-interval=0.05', '--follow', '/dev/null']);
}

function positionOf(record: LogRecord | undefined): JournalPosition {
  assert.equal(record?.origin.kind, 'journal');
  return { cursor: record.origin.cursor, realtimeMs: record.origin.realtimeMs };
}

function withoutReceipt(record: LogRecord): object {
  return { ...record, receivedMs: 0 };
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

function count(wanted: number): (sink: RecordedSink) => boolean {
  return (sink) => sink.records.length >= wanted;
}

/** Runs a program where journald sees it in that place. */
async function inPlace(journald: Journald, place: Place, command: readonly string[], input: string | Buffer): Promise<void> {
  const [file = '', ...args] = [...journald.inside(place), ...command];
  await execa(file, args, { input });
}
