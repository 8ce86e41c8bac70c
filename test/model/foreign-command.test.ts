import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { compileForeignCommand, ForeignCommandError, fillIn, replaceParameters } from '../../src/model/foreign-command.ts';

/** How a text is named in a place, by the script that comes out. */
const places: readonly [script: string, filled: string, because: string][] = [
  ['mail <matches>', 'mail ${f2bV_matches:+"$f2bV_matches"}', 'bare: one word, or none'],
  ['mail "a <matches> b"', 'mail "a ${f2bV_matches} b"', 'double quotes go on'],
  ["mail 'a <matches> b'", `mail 'a '"\${f2bV_matches}"' b'`, 'single quotes are closed and opened again'],
  ["mail it\\'s <F-USER>", `mail it\\'s \${f2bV_F_USER:+"$f2bV_F_USER"}`, 'a backslash takes the quote its meaning'],
  ['mail "\\"<F-USER>\\""', 'mail "\\"${f2bV_F_USER}\\""', 'and within double quotes'],
  ["# it's\nmail <F-USER>", `# it's\nmail \${f2bV_F_USER:+"$f2bV_F_USER"}`, 'a quote in a comment opens nothing'],
  ['true # <F-USER>', 'true # ', 'nothing is put into a comment'],
  ["mail a#'<F-USER>'", `mail a#''"\${f2bV_F_USER}"''`, 'a # within a word begins no comment'],
  [
    'mail "$(cat \'<F-USER>\' "x" )<F-USER>"',
    `mail "$(cat ''"\${f2bV_F_USER}"'' "x" )\${f2bV_F_USER}"`,
    'a substitution is a script of its own',
  ],
  ['mail "`mail "<F-USER>"`"', 'mail "`mail "${f2bV_F_USER}"`"', 'the same in back quotes'],
  ['mail "${x:-\'}<F-USER>"', `mail "\${x:-'}\${f2bV_F_USER}"`, 'single quotes are none within double quotes'],
  ['x=$(case a in a) mail "<F-USER>";; esac)', 'x=$(case a in a) mail "${f2bV_F_USER}";; esac)', 'the ) of a pattern ends no substitution'],
  [
    "cat <<END\nit's <F-USER>\nEND\nmail '<F-USER>'",
    `cat <<END\nit's \${f2bV_F_USER}\nEND\nmail ''"\${f2bV_F_USER}"''`,
    'a here-document knows no quotes',
  ],
  ['mail <F-A-B> <F-A_B>', 'mail ${f2bV_F_A_B:+"$f2bV_F_A_B"} ${f2bV_F_A__B:+"$f2bV_F_A__B"}', 'each has a variable of its own'],
  ['mail <ip> <dest> <unknown>', 'mail 192.0.2.4 <dest> <unknown>', 'values go in as they are, what nobody knows stays'],
];

const refused: readonly [script: string, because: string][] = [
  ['<F-USER> x', 'it would name the program'],
  ['cat > <F-USER>', 'it would name a file'],
  ['cat >> "/var/log/<F-USER>"', 'it would name a file'],
  ['rm -f /tmp/<F-USER>', 'it would be part of a path'],
  ['rm -f "/tmp/<F-USER>"', 'the same in quotes'],
  ['eval mail <matches>', 'it would be read as a script'],
  ['x="<matches>"; eval "$x"', 'the same, by way of a variable'],
  ['sh -c "mail <matches>"', 'it would be part of a script'],
  ["sh -c 'mail <matches>'", 'the same in single quotes'],
  ['echo "<matches>" | sh', 'it would be a script on stdin'],
  ['echo "<matches>" | sudo /bin/bash -s', 'the same, as root'],
  ['echo "<matches>" | xargs mail', 'it would be arguments and options'],
  ['python3 - <<END\nprint("<matches>")\nEND', 'it would be part of a program'],
  ["sed -e 's/x/<F-USER>/'", 'sed runs commands'],
  ['awk \'$1 == "<F-USER>"\' file', 'awk does too'],
  ['perl -ne \'print "<F-USER>"\'', 'it would be part of a program'],
  ['ssh host "echo <matches>"', 'it would be a command elsewhere'],
  ['echo $((<F-USER> + 1))', 'bash runs commands in there'],
  ['echo ${x:-<F-USER>}', 'nobody knows how it is quoted'],
  ["cat <<'END'\n<matches>\nEND", 'no variable is expanded there'],
  ["mail 'unclosed <F-USER>", 'the script is broken'],
  ["mail $'x' '<F-USER>'", 'shells differ'],
  ['mail \\<F-USER>', 'the backslash would hide the dollar'],
  ['mail "<raw-ticket>"', 'nobody but fail2ban knows that text'],
];

const taken: readonly string[] = [
  'python3 /usr/local/bin/report.py "<matches>"',
  'bash /usr/local/bin/report.sh --user "<F-USER>"',
  'perl -e \'print $ARGV[0]\' "<F-USER>"',
  'awk -v user="<F-USER>" \'{ print user }\'',
  'jq -n --arg text "<matches>" \'{ text: $text }\' | curl -d @- https://chat.example/',
  'printf %s "<matches>" | sed -e s/a/b/ | mail root',
  'curl --data-urlencode "text=<matches>" https://chat.example/<ip>',
];

function fill(script: string, text = 'x'): { readonly script: string; readonly variables: Record<string, string> } {
  return fillIn(compileForeignCommand(script), (tag) => (tag === 'ip' ? '192.0.2.4' : text));
}

describe('a tag for text of the log', () => {
  for (const [script, filled, because] of places)
    test(`${JSON.stringify(script)}: ${because}`, () => assert.equal(fill(script).script, filled));
  for (const [script, because] of refused) {
    test(`refuses ${JSON.stringify(script)}: ${because}`, () => assert.equal(compileForeignCommand(script).refused.length, 1));
  }
  for (const script of taken) test(`takes ${JSON.stringify(script)}`, () => assert.deepEqual(compileForeignCommand(script).refused, []));

  test('never shows in the script, and arrives in every place as it is', () => {
    const script = `p() { printf '[%s]' "$@"; }; p <F-USER> "<F-USER>" '<F-USER>' "$(p '<F-USER>')" "\`p "<F-USER>"\`"; x=<F-USER>; p "$x"; cat <<E\n[<F-USER>]\nE\n`;
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...`a'"\\\`$(){}[]<>|&;*?~#!=-% \n\téE`.split('')), minLength: 1, maxLength: 30 }),
        (text) => {
          const { script: filled, variables } = fill(script, text);
          assert.equal(filled, fill(script, 'x').script);
          const { stdout } = spawnSync('/bin/sh', ['-c', filled], { env: { PATH: '/bin:/usr/bin', ...variables }, encoding: 'utf8' });
          // A substitution takes line ends off the end: only they may be gone.
          assert.equal(stdout, `${`[${text}]`.repeat(3)}${`[[${text}]]`.repeat(2)}[${text}][${text}]\n`);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('a value that is more than letters, digits and : . , _ - is never put into a script', () => {
  const command = compileForeignCommand('mail <ip>');
  assert.throws(() => fillIn(command, () => '1;id'), ForeignCommandError);
});

describe('parameters', () => {
  const parameters = new Map([
    ['a', '<b> <c>'],
    ['b', 'one'],
    ['c', 'two'],
    ['c?family=inet6', 'six'],
    ['which', 'b'],
    ['round', '<around>'],
    ['around', '<round>'],
    ['more', '<more> <more>'],
  ]);
  test('hold further ones', () => assert.equal(replaceParameters('<a> <<which>> <ip>', parameters, ''), 'one two one <ip>'));
  test('differ by family', () => assert.equal(replaceParameters('<a>', parameters, 'inet6'), 'one six'));
  for (const name of ['round', 'more']) {
    test(`that name themselves are refused: <${name}>`, () =>
      assert.throws(() => replaceParameters(`<${name}>`, parameters, ''), ForeignCommandError));
  }
});

test('no script is too odd to be read', () => {
  const unit = fc.constantFrom(...`a '"\\\`$(){}<>|&;#\n=`.split(''), '<F-USER>', '<<', '$(', '${', '$((', 'case ', ' esac');
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 60 }), (parts) => {
      const script = parts.join('');
      const command = compileForeignCommand(script);
      const tags = command.parts.filter((part) => typeof part !== 'string').length;
      assert.equal(tags, script.split('<F-USER>').length - 1);
    }),
    { numRuns: 2_000 },
  );
  for (const nested of ['${', '$(', '`', '"$(', '<<a\n', '$((']) compileForeignCommand(`${nested.repeat(20_000)}<F-USER>`);
});
