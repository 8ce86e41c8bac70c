import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import * as fc from 'fast-check';
import { LogRegions, splitRegion } from '../../src/receive/log-regions.ts';
import { type LogDeps, type LogPlace, endOfLog, placeOfLog, readLog, readRegions, startOfLog } from '../../src/receive/read-log.ts';
import { type Journald, cgroups, startJournald, withoutJournald } from '../support/journald.ts';

let home: string;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'slu-log-'));
});
after(() => rmSync(home, { recursive: true }));

function file(name: string, content: string | Buffer): LogPlace {
  const path = join(home, name);
  writeFileSync(path, content);
  return { kind: 'file', path };
}

async function read(place: LogPlace, deps: LogDeps = {}) {
  const lines: string[] = [];
  const numbers: number[] = [];
  const keep = (text: string, number: number): void => {
    lines.push(text);
    numbers.push(number);
  };
  const why = await readLog(place, { line: keep, entry: ({ message }, number) => keep(message.text, number) }, deps);
  assert.deepEqual(
    numbers,
    lines.map((_, index) => index + 1),
  );
  return { lines, why };
}

const many = Array.from({ length: 40_000 }, (_, index) => `line ${index} of a log that is not short é`);
const text = `${many.join('\n')}\n`;

describe('a log', () => {
  test('is read line by line, numbered from 1, also the last one without LF', async () => {
    assert.deepEqual(await read(file('a', 'one\r\n\ntwo\nthree')), { lines: ['one', '', 'two', 'three'], why: undefined });
    assert.deepEqual(await read(file('b', '')), { lines: [], why: undefined });
    assert.deepEqual((await read(file('c', text))).lines, many);
  });

  test('may be compressed, in several members, whatever it is called', async () => {
    const middle = text.length / 2;
    const members = Buffer.concat([gzipSync(text.slice(0, middle)), gzipSync(text.slice(middle))]);
    assert.deepEqual(await read(file('mail.log.2.gz', members)), { lines: many, why: undefined });
    assert.deepEqual((await read(file('no-suffix', members))).lines, many);
  });

  test('that is cut off in the middle gives all that can be read, and says so', async () => {
    const whole = gzipSync(text);
    const { lines, why } = await read(file('cut.gz', whole.subarray(0, whole.length / 2)));
    assert.ok(lines.length > 1000);
    assert.deepEqual(lines, many.slice(0, lines.length));
    assert.match(why ?? '', new RegExp(`cut\\.gz is damaged behind line ${lines.length} \\(unexpected end of file\\)`));
  });

  test('that is damaged gives every line before the damage, and says so', async () => {
    // The second member is damaged at its beginning: exactly the lines of the first are sound.
    const first = gzipSync(`${many.slice(0, 5000).join('\n')}\n`);
    const second = gzipSync(text);
    second.fill(0xff, 10, 20);
    const { lines, why } = await read(file('damaged.gz', Buffer.concat([first, second])));
    assert.deepEqual(lines, many.slice(0, 5000));
    assert.match(why ?? '', /damaged\.gz is damaged behind line 5000 \(.+\): the lines before it were read/);
  });

  test('from stdin', async () => {
    const bytes = Buffer.from(text);
    const stdin = Readable.from([bytes.subarray(0, 7), bytes.subarray(7, 9), bytes.subarray(9)]);
    assert.deepEqual(await read({ kind: 'stdin' }, { stdin }), { lines: many, why: undefined });
    const compressed = await read({ kind: 'stdin' }, { stdin: Readable.from([gzipSync('x')]) });
    assert.match(compressed.why ?? '', /stdin is compressed: gzip -dc/);
  });

  test('through a pipe that can be read only once', async () => {
    const path = join(home, 'fifo');
    execFileSync('mkfifo', [path]);
    const [{ lines }] = await Promise.all([read({ kind: 'file', path }), writeInto(path)]);
    assert.deepEqual(lines, ['through the pipe']);
  });

  test('with a line of 3 MB is read on behind it', async () => {
    const { lines } = await read(file('long', `${'x'.repeat(3_000_000)}\nshort\n${'y'.repeat(70_000)}\nend`));
    assert.deepEqual(
      lines.map(({ length }) => length),
      [65_536, 5, 65_536, 3],
    );
  });

  const troubles: readonly [name: string, make: (path: string) => void, why: RegExp][] = [
    ['nothing', () => undefined, /nothing does not exist/],
    ['directory', (path) => mkdirSync(path), /is a directory: name the files in it/],
    ['x.xz', (path) => writeFileSync(path, Buffer.from('fd377a585a0000', 'hex')), /is compressed with xz: xz -dc/],
  ];
  for (const [name, make, why] of troubles) {
    test(`that cannot be read says why: ${name}`, async () => {
      const path = join(home, name);
      make(path);
      assert.match((await read({ kind: 'file', path })).why ?? '', why);
    });
  }

  test('what the reader throws is no trouble of the log', async () => {
    for (const place of [file('t', text), file('t.gz', gzipSync(text)), { kind: 'line', text: 'a b' } as const]) {
      await assert.rejects(readRegions(place, { region: bad, entry: bad }), /mine/);
    }
  });

  test('waits for a reader that needs time', async () => {
    const place = file('w', text);
    let busy = false;
    let regions = 0;
    await readRegions(place, {
      region: async () => {
        assert.equal(busy, false);
        busy = true;
        regions += 1;
        await new Promise(setImmediate);
        busy = false;
      },
      entry: () => undefined,
    });
    assert.ok(regions > 1);
  });
});

describe('the name of a log', () => {
  test('is a path, -, journal:MATCHES or a line', () => {
    const path = join(home, 'with a space.log');
    writeFileSync(path, '');
    assert.deepEqual(placeOfLog(path), { kind: 'file', path });
    assert.deepEqual(placeOfLog('-'), { kind: 'stdin' });
    assert.deepEqual(placeOfLog('journal:'), { kind: 'journal', matches: [] });
    assert.deepEqual(placeOfLog('journal:_SYSTEMD_UNIT=ssh.service + _UID=0 _COMM=x'), {
      kind: 'journal',
      matches: [['_SYSTEMD_UNIT=ssh.service'], ['_UID=0', '_COMM=x']],
    });
    assert.deepEqual(placeOfLog('Oct 18 01:20:09 mx sshd[1]: x'), { kind: 'line', text: 'Oct 18 01:20:09 mx sshd[1]: x' });
    assert.equal(placeOfLog('/no/such/file'), undefined);
    assert.equal(placeOfLog('journal:--file=/etc/passwd'), undefined);
  });

  test('tells when a file ends, and when it begins', async () => {
    const place = file('stamped', 'no time\nat 17\nat 18\n');
    utimesSync(join(home, 'stamped'), 1_700_000_000, 1_700_000_000);
    assert.equal(endOfLog(place), 1_700_000_000_000);
    assert.equal(endOfLog({ kind: 'stdin' }), undefined);
    assert.equal(await startOfLog(place, timeOf), 17);
    assert.equal(await startOfLog(file('stamped.gz', gzipSync('at 5\nat 6\n')), timeOf), 5);
    assert.equal(await startOfLog(file('unstamped', 'x\n'), timeOf), undefined);
  });
});

test('lines are the same wherever the chunks end', async () => {
  const content = fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r', '\0') });
  await fc.assert(
    fc.asyncProperty(content, fc.array(fc.integer({ min: 1, max: 9 })), async (whole, sizes) => {
      const lines: string[] = [];
      let number = 1;
      const regions = new LogRegions((region) => {
        number = splitRegion(region, number, (line) => lines.push(line));
      });
      let rest = Buffer.from(whole);
      for (const size of sizes) {
        await regions.push(rest.subarray(0, size));
        rest = rest.subarray(size);
      }
      await regions.push(rest);
      await regions.end();
      const expected = whole.split('\n').map((line) => line.replace(/\r$/, ''));
      if (whole === '' || whole.endsWith('\n')) expected.pop();
      assert.deepEqual(lines, expected);
      assert.equal(number, expected.length + 1);
    }),
  );
});

describe('the journal as a log', { skip: withoutJournald() }, () => {
  let journald: Journald;
  before(async () => {
    journald = await startJournald();
  });
  after(() => journald.stop());

  test('gives its entries in order, and ends', async () => {
    const texts = many.slice(0, 300);
    await journald.log(texts, { identifier: 'postfix/smtpd', uid: 0, cgroup: cgroups.postfix });
    await journald.log('other', { identifier: 'sshd', uid: 0, cgroup: cgroups.ssh });
    await journald.rotate(); // it answers once it has written what is in its queue
    const place = placeOfLog('journal:_SYSTEMD_UNIT=postfix@-.service');
    assert.ok(place);
    const found = await read(place, { journal: { directory: journald.directory, namespace: undefined } });
    assert.deepEqual(found, { lines: texts, why: undefined });
  });

  test('that does not exist says so', async () => {
    const place = { kind: 'journal', matches: [] } as const;
    const { why } = await read(place, { journal: { directory: '/nonexistent', namespace: undefined } });
    assert.match(why ?? '', /No such file or directory/);
  });
});

function bad(): never {
  throw new Error('mine');
}

/** For lines like `at 17`. */
function timeOf(line: string): number | undefined {
  return line.startsWith('at ') ? Number(line.slice(3)) : undefined;
}

/** Writes into a FIFO from another process: here it would wait for the reader, who is here, too. */
async function writeInto(path: string): Promise<void> {
  await execa('sh', ['-c', 'echo through the pipe >"$1"', 'sh', path]);
}
