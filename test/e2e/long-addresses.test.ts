import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JailStatus } from '../../src/control/protocol.ts';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair } from '../support/netns.ts';
import { speakSmtp, startPostfix } from '../support/postfix.ts';

/**
 * Postfix cuts what it logs at 2,000 bytes. A recipient of nearly that length pushes the reason off the end of the line; whoever knows that
 * could try the relay for ever without a failure.
 */

const sizes = [900, 1_850, 1_930, 1_990] as const;
const roles = ['recipient', 'sender'] as const;

interface Shape {
  readonly name: string;
  /** An address of exactly so many bytes. RFC 5321 section 4.5.3.1 allows far less; Postfix takes lines of 2,048 bytes. */
  readonly make: (bytes: number) => string;
  /** By which patterns it may be recognised. */
  readonly patterns: RegExp;
}

const shapes: readonly Shape[] = [
  { name: 'a long local part', make: (bytes) => `${'a'.repeat(bytes - 12)}@example.com`, patterns: /^relay-denied$/ },
  {
    name: 'a quoted local part that reads like a refusal of somebody else',
    make: (bytes) => quoted(bytes, 'x>: Relay access denied; from <y> NOQUEUE: reject: RCPT from unknown[203.0.113.66]: 454 4.7.1 <z>: '),
    patterns: /^relay-denied$/,
  },
  // journald takes blanks off the end of a message: what was cut there does not look cut any more.
  { name: 'a quoted local part of blanks', make: (bytes) => quoted(bytes, ' '), patterns: /^(?:relay-denied|refused)$/ },
  {
    name: 'a domain of many labels, refused as a mistake of syntax',
    make: (bytes) => `a@${labels(bytes - 2)}`,
    patterns: /^illegal-address$/,
  },
];

function quoted(bytes: number, filling: string): string {
  const end = '"@example.com';
  return `"${filling.repeat(bytes).slice(0, bytes - end.length - 1)}${end}`;
}

/** Labels of at most 63 bytes. */
function labels(bytes: number): string {
  const end = 'd.example.com';
  return `${'ddddddddd.'.repeat(bytes).slice(0, bytes - end.length)}${end}`;
}

const skip = without('root', 'nft', 'ip', 'postfix') || withoutJournald();

describe('addresses as long as a log line', { skip }, () => {
  test('each refusal is counted for its client', async (t) => {
    const network = createNetworkPair();
    const journald = await startJournald(['RateLimitBurst=0']);
    t.after(async () => {
      await journald.stop();
      network.remove();
    });
    const world = await network.world.resident();
    const postfix = await startPostfix(network, world, journald);
    t.after(postfix.stop);
    const sluice = await startSluice(
      network,
      `
sources: { own: journal, journal: { directory: ${journald.directory} } }
metrics: off
jails: { any: { filters: [postfix], maxretry: 1000 } }
`,
    );
    t.after(() => sluice.stop());

    const attempts = shapes
      .flatMap((shape) => sizes.flatMap((bytes) => roles.map((role) => ({ shape, bytes, role }))))
      .map((each, index) => ({ ...each, client: `198.51.100.${index + 1}` }));
    const attempt = async ({ shape, bytes, role, client }: (typeof attempts)[number]): Promise<void> => {
      const address = shape.make(bytes);
      assert.equal(Buffer.byteLength(address), bytes);
      const [sender, recipient] = role === 'sender' ? [address, 'victim@example.com'] : ['spammer@example.net', address];
      const commands = ['EHLO WIN', `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`];
      const dialogue = await speakSmtp(network, { from: client, to: '192.0.2.1', commands });
      const what = `${shape.name}, ${role} of ${bytes} bytes`;
      assert.ok(
        dialogue.some(({ answer }) => /^(?:454 4\.7\.1 .*|501 5\.1\.[37] Bad (?:recipient|sender) address syntax)/.test(answer)),
        `${what}: not refused: ${JSON.stringify(dialogue.map(({ answer }) => answer.slice(-80)))}`,
      );
      const failure = await sluice.event((event) => event.kind === 'failure' && event.address === client);
      assert.match(failure.kind === 'failure' ? failure.pattern : '', shape.patterns, what);
    };
    // A few at a time, as a scanner would.
    for (let first = 0; first < attempts.length; first += 8) await Promise.all(attempts.slice(first, first + 8).map(attempt));

    const jail = await sluice.ask.get<JailStatus>('/v1/jails/any');
    assert.deepEqual([jail.failures, jail.tracked], [attempts.length, attempts.length], 'once each, and nobody else');
    await world.stop();
  });
});
