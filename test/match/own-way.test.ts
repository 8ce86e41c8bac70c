import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comesOtherwise } from '../../src/match/own-way.ts';
import { type Address, parseAddress } from '../../src/model/address.ts';
import type { Origin } from '../../src/model/record.ts';

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

const journal: Origin = { kind: 'journal', cursor: 's=1', realtimeMs: 0 };
const file: Origin = { kind: 'file', path: '/var/log/mail.log', inode: 1n, offsetBytes: 0, head: '' };
const loopback: Origin = { kind: 'syslog', transport: 'tcp', peer: address('127.0.0.1') };
const neighbour: Origin = { kind: 'syslog', transport: 'tcp', peer: address('192.0.2.7') };

type Case = readonly [
  own: 'journal' | 'files' | 'syslog',
  origin: Origin,
  hostname: string | undefined,
  source: string,
  otherwise: boolean,
  because: string,
];

const cases: readonly Case[] = [
  ['journal', journal, 'mx', 'journal', false, 'the chosen way'],
  ['journal', file, 'mx', 'mail', true, 'rsyslog wrote into the file what the journal has'],
  ['journal', file, 'MX.example.test', 'mail', true, 'a longer spelling of the same name'],
  ['journal', file, 'web', 'mail', false, 'a file that collects the lines of other hosts'],
  ['journal', file, undefined, 'mail', false, 'a file without syslog headers is of a program that writes no journal'],
  ['journal', file, 'mx', 'nginx', false, 'program is set: its lines are nowhere else'],
  ['journal', loopback, 'mx', 'tcp', true, 'our own rsyslog forwards to us'],
  ['journal', loopback, undefined, 'tcp', true, 'no name, and from this machine'],
  ['journal', loopback, 'web', 'tcp', false, 'a relay on this machine hands on the lines of another'],
  ['journal', loopback, '127.0.0.1', 'tcp', true, 'rsyslog writes the address where the sender has no name'],
  ['journal', loopback, '::ffff:192.0.2.1', 'tcp', true, 'another address of ours'],
  ['journal', loopback, '192.0.2.7', 'tcp', false, 'a relay hands on the lines of a host without a name'],
  ['journal', neighbour, 'mx', 'tcp', false, 'another machine is not us, whatever it claims'],
  ['files', file, 'mx', 'mail', false, 'the chosen way'],
  ['files', journal, 'mx', 'journal', true, 'the file has it'],
  ['files', journal, 'web', 'journal', false, 'a journal with entries of another host'],
  ['files', loopback, 'mx', 'tcp', true, 'the file has it'],
  ['syslog', loopback, 'mx', 'tcp', false, 'the chosen way'],
  ['syslog', journal, 'mx', 'journal', true, 'syslog has it'],
  ['syslog', file, 'mx', 'mail', true, 'syslog has it'],
];

for (const [own, origin, hostname, source, otherwise, because] of cases) {
  test(`own: ${own}, ${origin.kind} line of ${hostname ?? 'nobody'} by ${source}: ${otherwise ? 'not matched' : 'matched'}: ${because}`, () => {
    const isOwnAddress = (peer: Address): boolean => peer === '127.0.0.1' || peer === '192.0.2.1';
    const host = { own, hostname: 'mx', isOwnAddress, headerless: new Set(['nginx']) };
    assert.equal(comesOtherwise({ origin, hostname, source }, host), otherwise);
  });
}
