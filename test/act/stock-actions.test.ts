import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type ActionBan, createActionRunner, type JailInfo } from '../../src/act/action-runner.ts';
import { createShellRunner } from '../../src/act/shell-launcher.ts';
import { type Address, parseAddress, prefixOf } from '../../src/model/address.ts';
import type { ForeignAction } from '../../src/model/foreign-jail.ts';
import { toForeignActions } from '../../src/rules/fail2ban/foreign-actions.ts';
import { loadFail2ban } from '../../src/rules/fail2ban/load-fail2ban.ts';
import { program, without } from '../environment.ts';
import { callsOf, createRecorder, failFor, type Recorded, type Recorder, reset, take } from './command-recorder.ts';

const run = promisify(execFile);
const stock = '/etc/fail2ban';

type Act =
  | { readonly do: 'start' | 'stop' }
  | { readonly do: 'ban' | 'again' | 'unban' | 'prolong'; readonly ban: ActionBan }
  /** The next calls that fit these patterns fail, one after the other. */
  | { readonly do: 'fail'; readonly what: string };

/** An act, and the second in which it is done. */
type Step = Act & { readonly at: number };

function addressOf(text: string): Address {
  const address = parseAddress(text);
  assert.ok(address !== undefined);
  return address;
}

function banOf(text: string, given: Partial<ActionBan> = {}): ActionBan {
  const address = addressOf(text);
  return {
    address,
    subject: prefixOf(address, 128),
    sinceMs: 1_700_000_000_000,
    untilMs: 1_700_000_600_000,
    failures: 5,
    count: 2,
    matches: ['Nov 14 22:13:18 mx one.two', 'Nov 14 22:13:19 mx three-four_5'],
    fields: new Map([['user', 'root']]),
    restored: false,
    ...given,
  };
}

/** Whatever a shell would take for more than text. */
function hostileTo(canary: string): ActionBan {
  const text = `a"b'c $(touch ${canary}) \`touch ${canary}\` ; touch ${canary} | touch ${canary} & \${HOME} $HOME ' ; touch ${canary} ; ' " ; touch ${canary} ; " \\ \\" * ? ~ [a] {b,c} <d> >e #f !g`;
  return banOf('192.0.2.9', { matches: [text, `\n$(touch ${canary})`, '-e --option'], fields: new Map([['user', text]]) });
}

/** Actions of an administrator: text of the log in every place that a shell has. */
const ownActions: Readonly<Record<string, string>> = {
  'own-places': `
actionban = apf <matches> "<matches>" '<matches>' "x<F-USER>y" 'x<F-USER>y' x<F-USER>y "<F-NONE>" <F-NONE> '<F-NONE>'
            TEXT=<F-USER>; apf "$TEXT"
            apf "\`printf %%s "<F-USER>"\`" "$(printf %%s '<F-USER>')" \`printf %%s <F-USER>\`
            apf <<END
            to <ip>: <F-USER> and "<matches>" it's
            END
            # it's no quote: <matches>
            printf %%s "<matches>" | apf "<ip-rev>" '<ip-host>' <fid> <failures> <time> <bantime> <bancount> <restored> <name>
            apf <jail.banned> <jail.found> <jail.found_total> <ipfailures> <ipjailfailures> "<ipmatches>" "<ipjailmatches>" "a<br>b<sp>c"
            case "<F-USER>" in root) apf "it is root";; *) apf 'it is <F-USER>';; esac
            if [ "<F-USER>" = root ] && [ -n "<matches>" ]; then apf yes; fi
            for each in <F-USER> <ip>; do apf "$each"; done
actionunban = apf '<F-USER>' "<bantime>" <timeout>
actionprolong = apf prolong <ip> '<bantime>'
[Init]
timeout = 7
`,
  'own-check': `
actionstart = ipset create <set> <family>
actionstop = ipset destroy <set> <family>
actioncheck = ipset list <set>
actionban = ipset add <set> <ip>
actionunban = ipset del <set> <ip>
actionreban = ipset readd <set> <ip>
actionflush = ipset flush <set>
[Init]
set = four
[Init?family=inet6]
set = six
`,
  'own-repair': `
actionstart = ipset create
actionstop = ipset destroy
actioncheck = ipset list
actionrepair = ipset repair <family>
actionban = ipset add <ip>
actionunban = ipset del <ip>
actionrepair_on_unban = true
actionstart_on_demand = true
`,
};

describe('what the shell gets of an action', { skip: without('fail2ban-client', 'python3', 'perl'), timeout: 110_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'slu-act-'));
  const configuration = join(dir, 'fail2ban');
  let recorder: Recorder;
  let actions: ReadonlyMap<string, readonly ForeignAction[]>;

  before(() => {
    recorder = createRecorder(dir);
    const { scratch } = recorder;
    cpSync(stock, configuration, { recursive: true });
    const folder = join(configuration, 'action.d');
    // Paths of the system become paths of ours, and programs are found in PATH.
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), 'utf8')
        .replaceAll(/(?<=^|[\s|=])\/(?:usr\/)?(?:s?bin|libexec)\/(?=(?:sendmail|ipf|npfctl|nsupdate|afctl)\b)/gm, '')
        .replaceAll(/\/(?:var\/run\/fail2ban|etc\/nginx|etc\/symbiosis\/firewall\/blacklist\.d|proc\/net\/xt_recent)\b/g, scratch)
        .replaceAll('/etc/hosts.deny', `${scratch}/hosts.deny`);
      writeFileSync(join(folder, name), text);
    }
    for (const [name, text] of Object.entries(ownActions)) writeFileSync(join(folder, `${name}.conf`), `[Definition]${text}`);
    const names = readdirSync(folder)
      .filter((name) => name.endsWith('.conf') && !name.includes('-common.'))
      .map((name) => name.slice(0, -'.conf'.length));
    const jails = names.map((name) => `[${name}]\nenabled = true\nfilter =\nfailregex = ^<HOST>\nlogpath = /dev/null\naction = ${name}\n`);
    writeFileSync(join(configuration, 'jail.conf'), `[DEFAULT]\nbackend = polling\n${jails.join('\n')}`);
    rmSync(join(configuration, 'jail.d'), { recursive: true, force: true });
    const loaded = loadFail2ban(configuration);
    assert.deepEqual(loaded.disabled, []);
    // Those that our sets replace too: their commands are as good as any.
    actions = new Map(
      loaded.jails.map((jail) => {
        const converted = toForeignActions(
          jail.actions.map((action) => (action.kind === 'commands' ? { ...action, kernel: undefined } : action)),
        );
        assert.deepEqual(converted.refused, [], jail.name);
        return [jail.name, converted.actions];
      }),
    );
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** What fail2ban's own classes do. */
  async function ask(jails: readonly string[], steps: readonly Step[]): Promise<Readonly<Record<string, readonly Recorded[]>>> {
    const [request, answer] = [join(dir, 'request'), join(dir, 'answer')];
    const toPython = ({ address, sinceMs, untilMs, fields, ...rest }: ActionBan) => ({
      ...rest,
      ip: address,
      time: sinceMs / 1_000,
      bantime: untilMs === Infinity ? -1 : (untilMs - sinceMs) / 1_000,
      fields: Object.fromEntries(fields),
    });
    const asked = steps.map((step) => ('ban' in step ? { ...step, ban: toPython(step.ban) } : step));
    const client = program('fail2ban-client');
    writeFileSync(
      request,
      JSON.stringify({ ...recorder, client, dir: configuration, jails: Object.fromEntries(jails.map((name) => [name, asked])) }),
    );
    const asking = run('/usr/bin/python3', [join(import.meta.dirname, 'original-actions.py'), request, answer], {
      env: { PATH: recorder.bin, RECORD: recorder.record, PYTHONDONTWRITEBYTECODE: '1' },
      cwd: '/',
    });
    asking.child.stdin?.end();
    await asking;
    const answers = JSON.parse(readFileSync(answer, 'utf8')) as Readonly<
      Record<string, readonly { lines: readonly string[]; files: Record<string, string> }[]>
    >;
    return Object.fromEntries(
      Object.entries(answers).map(([name, each]) => [name, each.map(({ lines, files }) => ({ calls: callsOf(lines), files }))]),
    );
  }

  /** What ours do. */
  async function act(name: string, steps: readonly Step[]): Promise<readonly Recorded[]> {
    reset(recorder);
    let nowMs = 0;
    let bannedTotal = 0;
    const inForce = new Set<Address>();
    const info: JailInfo = {
      bantimeMs: 600_000,
      counts: () => ({ banned: inForce.size, bannedTotal, found: 3, foundTotal: 17 }),
      history: () => undefined,
    };
    const runner = createActionRunner({
      maxWaiting: 10,
      onTrouble: () => {},
      onDropped: () => assert.fail('nothing is dropped'),
      run: createShellRunner({ PATH: recorder.bin, RECORD: recorder.record }),
      names: { short: 'mx', full: async () => 'mx.example', nameOf: async () => 'host.example' },
      now: () => nowMs,
    });
    const jail = runner.jail(name, actions.get(name) ?? [], info);
    const answers: Recorded[] = [];
    for (const step of steps) {
      nowMs = step.at * 1_000;
      switch (step.do) {
        case 'start':
          jail.start();
          break;
        case 'stop':
          await jail.stop(60_000);
          break;
        case 'fail':
          failFor(recorder, step.what);
          break;
        case 'ban':
          inForce.add(step.ban.address);
          bannedTotal++;
          jail.ban(step.ban);
          break;
        case 'again':
          jail.again(step.ban.subject);
          break;
        case 'prolong':
          jail.prolong(step.ban);
          break;
        case 'unban':
          inForce.delete(step.ban.address);
          jail.unban(step.ban.subject);
      }
      await runner.idle();
      answers.push(take(recorder));
    }
    return answers;
  }

  /** @param inOrder of the calls; in a pipe they have none */
  async function compare(names: readonly string[], steps: readonly Step[], inOrder: boolean): Promise<void> {
    const ordered = ({ calls, files }: Recorded): Recorded => ({ calls: inOrder ? calls : calls.toSorted(), files });
    const expected = await ask(names, steps);
    for (const name of names) {
      const found = (await act(name, steps)).map(ordered);
      for (const [index, step] of steps.entries()) {
        assert.deepEqual(found[index], ordered(expected[name]?.[index] ?? { calls: [], files: {} }), `${name}, ${step.do} (step ${index})`);
      }
    }
  }

  const start = 1_700_000_000;
  const four = banOf('192.0.2.4');
  const longer = { ...four, untilMs: four.untilMs + 3_600_000 };
  const other = banOf('198.51.100.5', { count: 1 });
  const six = banOf('2001:db8::6', { untilMs: Infinity, count: 1, failures: 17 });
  const restored = banOf('203.0.113.7', { restored: true });
  /** One each second, unless it says when. */
  const steps = (given: readonly (Act & { readonly at?: number })[]): readonly Step[] =>
    given.map((step, index) => ({ ...step, at: step.at ?? start + index }));

  test('is what it gets of fail2ban, for every stock action', async () => {
    const names = [...actions.keys()].filter((name) => !name.startsWith('own-'));
    assert.ok(names.length > 55, `${names.length} actions`);
    const life = steps([
      { do: 'start' },
      { do: 'ban', ban: four },
      { do: 'ban', ban: six },
      { do: 'prolong', ban: longer },
      { do: 'unban', ban: longer },
      { do: 'ban', ban: restored },
      { do: 'stop' },
    ]);
    await compare(names, life, false);
  });

  test('is what it gets of fail2ban in every place of a script, for text that is one plain word', async () => {
    const plain = { ...four, matches: ['one.two:3'] };
    const life = steps([
      { do: 'start' },
      { do: 'ban', ban: plain },
      { do: 'prolong', ban: { ...plain, untilMs: Infinity } },
      { do: 'unban', ban: plain },
    ]);
    await compare(['own-places'], life, false);
  });

  test('is the text where fail2ban gives the name of its own variable, or several words', async () => {
    const [ban] = await act('own-places', steps([{ do: 'ban', ban: { ...four, matches: ['one two'], fields: new Map([['user', '']]) } }]));
    // bare, in double quotes, in single quotes; an empty text is no word where it is bare
    assert.ok(ban?.calls.includes('apf "one two" "one two" "one two" "xy" "xy" "xy" "" "" < ""'), ban?.calls.join('\n'));
  });

  test('is what it gets of fail2ban when commands fail', async () => {
    const names = ['own-check', 'own-repair'];
    const failing = steps([
      { do: 'start' },
      { do: 'ban', ban: four },
      { do: 'ban', ban: six },
      // It was a passing trouble.
      { do: 'fail', what: 'ipset add*' },
      { do: 'ban', ban: other },
      // Something was taken away, and is put back.
      { do: 'fail', what: 'ipset add*\nipset list*' },
      { do: 'ban', ban: restored },
      { do: 'again', ban: { ...four, sinceMs: (start + 10) * 1_000 }, at: start + 10 },
      { do: 'again', ban: { ...four, sinceMs: (start + 20) * 1_000 }, at: start + 20 },
      { do: 'fail', what: 'ipset list*', at: start + 29 },
      { do: 'again', ban: { ...four, sinceMs: (start + 30) * 1_000 }, at: start + 30 },
      // It cannot be put back.
      { do: 'fail', what: 'ipset del*\nipset list*\nipset list*', at: start + 40 },
      { do: 'unban', ban: six, at: start + 41 },
      { do: 'fail', what: 'ipset add*\nipset list*\nipset [cr]*', at: start + 42 },
      { do: 'ban', ban: { ...six, sinceMs: (start + 43) * 1_000 }, at: start + 43 },
      { do: 'fail', what: 'ipset flush*', at: start + 44 },
      { do: 'stop', at: start + 45 },
    ]);
    await compare(names, failing, true);
  });

  test('holds text that is made for a shell as nothing but text', async () => {
    const canary = join(dir, 'canary');
    const hostile = hostileTo(canary);
    const life = steps([{ do: 'start' }, { do: 'ban', ban: hostile }, { do: 'unban', ban: hostile }, { do: 'stop' }]);
    const withText = [...actions].filter(([, each]) =>
      each.some(({ commands }) => [...commands.values()].some((text) => /<(?:ip|ipjail)?matches>|<F-/.test(text))),
    );
    assert.ok(withText.length > 5);
    for (const [name] of withText) await act(name, life);
    assert.equal(existsSync(canary), false);
    const user = hostile.fields.get('user') ?? '';
    const calls = (await act('own-places', life))[1]?.calls ?? [];
    const word = JSON.stringify(user);
    assert.equal(calls.filter((call) => call === `apf ${word} < ""`).length, 2, 'assigned, and in a list of words');
    assert.ok(
      calls.some((call) => call.startsWith(`apf ${word} ${word} `)),
      'in substitutions within double quotes',
    );
    assert.ok(calls.includes(`apf ${JSON.stringify(`it is ${user}`)} < ""`), 'in single quotes');
  });
});
