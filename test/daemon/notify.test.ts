import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { createNotifier, type Notifier } from '../../src/daemon/notify.ts';
import { program, without } from '../environment.ts';

/** Node cannot receive unix datagrams: perl does, one line in hex for each. Descriptors that come along are closed, as systemd does. */
const receiver = `
  use Socket;
  socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
  $| = 1;
  print "\\n";
  while (defined recv(S, $text, 8192, 0)) { print unpack("H*", $text), "\\n" }
`;

describe('notifying systemd', { skip: without('systemd-notify', 'perl') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'));
  const socket = join(folder, 'notify');
  let perl: ChildProcess;
  let lines: AsyncIterator<string>;
  const errors: Error[] = [];

  before(async () => {
    const child = spawn(program('perl') ?? 'perl', ['-e', receiver, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    perl = child;
    lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next(); // bound
  });
  after(() => {
    perl.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  /** The next message as systemd sees it; the barrier behind each message is skipped. */
  async function received(): Promise<string[]> {
    for (;;) {
      const { value, done } = await lines.next();
      assert.equal(done, false);
      const text = Buffer.from(value, 'hex').toString();
      if (text !== 'BARRIER=1') return text.trimEnd().split('\n');
    }
  }

  function notifier(environment: Record<string, string> = {}, healthy: () => boolean | Promise<boolean> = () => true): Notifier {
    return createNotifier({
      environment: { NOTIFY_SOCKET: socket, ...environment },
      pid: process.pid,
      healthy,
      onError: (error) => errors.push(error),
      program: program('systemd-notify') ?? 'systemd-notify',
    });
  }

  test('a start, a reload and a stop arrive in the order in which they were told', async () => {
    const told = notifier();
    const beforeUsec = process.hrtime.bigint() / 1_000n;
    await Promise.all([told.ready('12 jails'), told.reloading(), told.ready('13 jails'), told.stopping('bans stay in force')]);
    assert.deepEqual(await received(), ['READY=1', 'STATUS=12 jails']);
    const [reloading, monotonic] = await received();
    assert.equal(reloading, 'RELOADING=1');
    const usec = BigInt(monotonic?.replace('MONOTONIC_USEC=', '') ?? 0);
    assert.ok(usec >= beforeUsec && usec <= process.hrtime.bigint() / 1_000n, 'CLOCK_MONOTONIC in microseconds, sd_notify(3)');
    assert.deepEqual(await received(), ['READY=1', 'STATUS=13 jails']);
    assert.deepEqual(await received(), ['STOPPING=1', 'STATUS=bans stay in force']);
    assert.deepEqual(errors, []);
  });

  test('a line feed in a status begins no other assignment', async () => {
    await notifier().status('192.0.2.1\nMAINPID=1\r\x1b[31m');
    assert.deepEqual(await received(), ['STATUS=192.0.2.1\\x0aMAINPID=1\\x0d\\x1b[31m']);
  });

  test('of a thousand statuses the newest is sent, by few children', async () => {
    const told = notifier();
    const first = told.ready('starting');
    await Promise.all([first, ...Array.from({ length: 1_000 }, (_, index) => told.status(`${index + 1} bans`))]);
    assert.deepEqual(await received(), ['READY=1', 'STATUS=starting']);
    assert.deepEqual(await received(), ['STATUS=1000 bans']);
  });

  test('the watchdog is fed only by a yes', async () => {
    let asked = 0;
    const answers = [() => false, () => Promise.resolve(false), () => Promise.reject(new Error('no answer')), () => true];
    const told = notifier({ WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid) }, () => answers[Math.min(asked++, 3)]?.() ?? false);
    assert.deepEqual(await received(), ['WATCHDOG=1']);
    told.close();
    await told.ready('end');
    while ((await received())[0] === 'WATCHDOG=1'); // those that were under way
    assert.ok(asked >= 4, `asked ${asked} times`);
    assert.match(errors.splice(0)[0]?.message ?? '', /health check itself failed/);
  });

  test('a health check that does not come back is asked once, and nothing is sent for it', async () => {
    let asked = 0;
    const answer = Promise.withResolvers<boolean>();
    const told = notifier({ WATCHDOG_USEC: '2000' }, () => {
      asked++;
      return answer.promise;
    });
    // Each child takes several times longer than the interval of 1 ms.
    for (let round = 0; round < 5; round++) await told.ready('turning');
    assert.equal(asked, 1);
    for (let round = 0; round < 5; round++) assert.deepEqual(await received(), ['READY=1', 'STATUS=turning']);
    told.close();
    answer.resolve(false);
  });

  test('a watchdog meant for another process is not fed', async () => {
    let asked = 0;
    const told = notifier({ WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' }, () => asked++ > 0);
    for (let round = 0; round < 3; round++) await told.ready('turning');
    assert.equal(asked, 0);
    told.close();
  });
});

test('without NOTIFY_SOCKET nothing is run', async () => {
  const told = createNotifier({
    environment: { WATCHDOG_USEC: '1000' },
    pid: process.pid,
    healthy: () => assert.fail('nobody asks'),
    onError: (error) => assert.fail(error),
    program: '/nonexistent/systemd-notify',
  });
  await told.ready('up');
  await told.stopping('down');
  told.close();
});

test('a systemd-notify that is missing is said, and stops nothing', async () => {
  const errors: Error[] = [];
  const told = createNotifier({
    environment: { NOTIFY_SOCKET: '/nonexistent/notify' },
    pid: process.pid,
    healthy: () => true,
    onError: (error) => errors.push(error),
    program: '/nonexistent/systemd-notify',
  });
  await told.ready('up');
  assert.equal(errors.length, 1);
  assert.match(errors[0]?.message ?? '', /Cannot tell systemd: .*\/nonexistent\/systemd-notify/);
});
