import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { program, without } from '../environment.ts';
import { cgroups, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type Namespace } from '../support/netns.ts';
import { type Life, type Lives, livesIn } from './lives.ts';
import { fileLines, jails, last, messages, randomFrom } from './offenders.ts';

/**
 * The daemon is killed again and again at random moments while a log with known offenders flows by, and begun again each time. What is
 * stored in the end must be what a run without any fault stores: a ban that is missing was lost, a failure more was counted twice.
 *
 * A fifth gets SIGTERM instead. `SLUICE_KILLS=200` makes it the long form (npm run reliability); `SLUICE_SEED` repeats a run.
 */
const kills = Number(process.env['SLUICE_KILLS'] ?? 20);
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1e9);
const lines = 50_000;
/** A start takes a second; ten more for what a loaded machine does. */
const timeout = 60_000 + kills * 11_000;

describe(`killed ${kills} times (SLUICE_SEED=${seed})`, { timeout }, () => {
  test('with a log file that is rotated: every failure counts once', async (t) => {
    const random = randomFrom(seed);
    const { directory, host } = place(t);
    const log = rotatedLog(join(directory, 'log'));
    const yaml = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log.path}, from: start }] }\n${jails}`;
    const feed = fileLines(messages(lines, random), Date.now());
    const lives = livesIn(join(directory, 'killed'), yaml, host);
    await killAgainAndAgain(lives, random, async (from, to, life) => {
      const share = feed.slice(Math.floor(from * feed.length), Math.floor(to * feed.length));
      let rotateAt = random() < 0.3 ? Math.floor(random() * share.length) : -1;
      let held = '';
      for (let index = 0; index < share.length; ) {
        const piece = share.slice(index, (index += 1 + Math.floor(random() * 60)));
        if (rotateAt !== -1 && index >= rotateAt && log.generation === 'current') {
          log.append(held);
          held = '';
          // The writer goes on with the old file for a while, as rsyslog does until it is told.
          log.rename();
          rotateAt = -1;
        } else if (log.generation === 'old' && held === '' && random() < 0.5) log.reopen();
        const text = held + piece.join('');
        // Half a line may be all that is written when the daemon looks, or dies.
        const cut = random() < 0.3 ? text.length - 1 - Math.floor(random() * 80) : text.length;
        log.append(text.slice(0, cut));
        held = text.slice(cut);
        if (life.running()) await pause(random() * 10);
      }
      log.append(held);
      log.reopen();
    });
    await isAsUndisturbed(t, { directory, lives, host, yaml: yaml.replace(log.path, () => log.whole()) });
  });

  test('with the journal: every failure counts once', { skip: withoutJournald() }, async (t) => {
    const random = randomFrom(seed + 1);
    const { directory, host } = place(t);
    const journald = await startJournald(['RateLimitIntervalSec=0', 'SystemMaxUse=1G', 'SystemMaxFileSize=16M']);
    t.after(journald.stop);
    const yaml = `sources: { own: journal, journal: { directory: ${journald.directory}, from: start } }\n${jails}`;
    const feed = messages(lines, random);
    const lives = livesIn(join(directory, 'killed'), yaml, host);
    await killAgainAndAgain(lives, random, async (from, to, life) => {
      const share = feed.slice(Math.floor(from * feed.length), Math.floor(to * feed.length));
      for (let index = 0; index < share.length; ) {
        const piece = share.slice(index, (index += 1 + Math.floor(random() * 200)));
        await journald.log(piece, { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
        if (life.running()) await pause(random() * 5);
      }
      if (random() < 0.2) await journald.rotate();
    });
    await isAsUndisturbed(t, { directory, lives, host, yaml });
  });
});

/** @param write writes that share of the log, quickly once nobody reads any more */
async function killAgainAndAgain(
  lives: Lives,
  random: () => number,
  write: (from: number, to: number, life: { readonly running: () => boolean }) => Promise<void>,
): Promise<void> {
  // A log that is rotated away before it was ever read cannot be known: there is a position from here on.
  const first = lives.begin();
  await first.ready;
  await write(0, 1 / lines, { running: () => false });
  await first.untilRead();
  await first.end('SIGTERM');
  for (let count = 0; count < kills; count++) {
    const life = lives.begin();
    let running = true;
    const written = write(Math.max(1 / lines, count / kills), (count + 1) / kills, { running: () => running });
    // Most die at work, some while they start.
    if (random() < 0.8) await life.ready;
    await pause(random() * (random() < 0.8 ? 300 : 1_500));
    // Some are asked to end, in the middle of what they read.
    await life.end(random() < 0.8 ? 'SIGKILL' : 'SIGTERM');
    running = false;
    await written;
  }
}

/** Lets the killed one read to the end, and compares it with one that reads the same log in one go. */
async function isAsUndisturbed(
  t: TestContext,
  { directory, lives, host, yaml }: { directory: string; lives: Lives; host: Namespace | undefined; yaml: string },
): Promise<void> {
  const survivor = lives.begin();
  t.after(() => survivor.end('SIGKILL'));
  await survivor.untilBanned(last);
  const inKernel = host === undefined ? undefined : await elements(host, survivor);
  assert.equal(await survivor.end('SIGTERM'), 0, survivor.log());

  const undisturbed = livesIn(join(directory, 'undisturbed'), yaml, undefined);
  const life = undisturbed.begin();
  t.after(() => life.end('SIGKILL'));
  await life.untilBanned(last);
  assert.equal(await life.end('SIGTERM'), 0, life.log());

  const [found, wanted] = [lives.stored(), undisturbed.stored()];
  assert.ok(
    wanted.bans.length > 600 && wanted.windows.length > 100,
    `a poor log: ${wanted.bans.length} bans, ${wanted.windows.length} windows`,
  );
  assert.deepEqual(found.bans, wanted.bans);
  assert.deepEqual(found.windows, wanted.windows);
  if (inKernel !== undefined) assert.equal(inKernel, new Set(wanted.bans.map((ban) => ban.split(' ')[1])).size, 'elements in the kernel');
  if (host !== undefined) assert.deepEqual(await orphans(host), [], 'nothing that a killed daemon started goes on');
  t.diagnostic(`${kills} kills: ${found.bans.length} bans and ${found.windows.length} open windows as without them`);
}

/** How many elements with a timeout there are once the daemon has answered: they were written before. */
async function elements(host: Namespace, life: Life): Promise<number> {
  await life.bans();
  for (let tries = 0; ; tries++) {
    const count = host.run('nft', 'list', 'table', 'inet', 'sluice').match(/expires/g)?.length ?? 0;
    const wanted = new Set((await life.bans()).map(({ subject }) => subject)).size;
    if (count === wanted || tries === 100) return count;
    await pause(50); // nft runs beside the decisions
  }
}

/** What still runs in the namespace, once it had a second to notice that nobody reads it any more. */
async function orphans(host: Namespace): Promise<readonly string[]> {
  for (let tries = 0; ; tries++) {
    const pids = execFileSync(program('ip') ?? 'ip', ['netns', 'pids', host.name], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
    if (pids.length === 0 || tries === 20) return pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    await pause(50); // they tell nobody when they end
  }
}

function place(t: TestContext): { readonly directory: string; readonly host: Namespace | undefined } {
  if (without('root', 'nft', 'ip', 'nsenter') === false) {
    const network = createNetworkPair();
    t.after(network.remove);
    return network;
  }
  const directory = mkdtempSync(join(tmpdir(), 'slu-kill-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return { directory, host: undefined };
}

/** A log whose writer rotates it as logrotate does, without compressing. */
function rotatedLog(path: string) {
  let written = path;
  let whole = '';
  appendFileSync(path, '');
  return {
    path,
    /** Where the writer writes. */
    get generation(): 'current' | 'old' {
      return written === path ? 'current' : 'old';
    },
    append: (text: string) => {
      appendFileSync(written, text);
      whole += text;
    },
    rename: () => {
      let oldest = 1;
      while (existsSync(`${path}.${oldest}`)) oldest++;
      for (let index = oldest; index > 1; index--) renameSync(`${path}.${index - 1}`, `${path}.${index}`);
      renameSync(path, `${path}.1`);
      written = `${path}.1`;
    },
    reopen: () => {
      written = path;
      appendFileSync(path, '');
    },
    /** All of it in one file. @returns its path */
    whole: () => {
      appendFileSync(`${path}-whole`, whole);
      return `${path}-whole`;
    },
  };
}
