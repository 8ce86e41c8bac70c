import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parsePorts } from '../../src/model/ports.ts';

const services = `# Network services
submissions	465/tcp		ssmtp smtps urd # Submission over TLS [RFC8314]
syslog		514/udp
rtsp		554/tcp			# Real Time Stream Control Protocol
rtsp		554/udp
ms-wbt-server	3389/tcp
`;

const sound: readonly [written: 'all' | readonly (string | number)[], protocol: string, ports: readonly number[], because: string][] = [
  [['smtp', 'submission', 'submissions'], 'tcp', [25, 465, 587], 'names that are built in need no /etc/services'],
  [['sieve', 'managesieve', 4190], 'tcp', [4190], 'a port with several names is one port'],
  [[587, 25, 25], 'tcp', [25, 587], 'numbers are sorted, and each counts once'],
  [['40000-40002', '30:31'], 'tcp', [30, 31, 40_000, 40_001, 40_002], 'ranges, also as fail2ban writes them'],
  [['domain'], 'both', [53], 'DNS is both'],
  [['domain/udp'], 'udp', [53], 'unless one is named'],
  [['25', '514/udp'], 'both', [25, 514], 'a list has one protocol: TCP and UDP are both'],
  [['urd'], 'tcp', [465], 'aliases of /etc/services'],
  [['syslog'], 'udp', [514], 'the protocol of /etc/services'],
  [['rtsp'], 'both', [554], 'a service with both protocols'],
];
for (const [written, protocol, ports, because] of sound) {
  test(`parsePorts ${JSON.stringify(written)}: ${because}`, () =>
    assert.deepEqual(parsePorts(written, services), { kind: 'ports', ports: { kind: 'list', protocol, ports } }));
}
test('parsePorts "all": every port', () => assert.deepEqual(parsePorts('all', ''), { kind: 'ports', ports: { kind: 'all' } }));

const wrong: readonly [written: readonly (string | number)[], index: number, message: RegExp][] = [
  [['ssh', 'smpt'], 1, /^"smpt" is not a known port; did you mean "smtp"\?$/],
  [['ms-wbt-sever'], 0, /did you mean "ms-wbt-server"\?$/],
  [['zzzzzzzz'], 0, /^"zzzzzzzz" is not a known port; wanted a name such as smtp, a number, or a range such as 40000-40100$/],
  [[0], 0, /^0 is not a port; wanted a number from 1 to 65535$/],
  [['1-65536'], 0, /^65536 is not a port/],
  [[-1], 0, /^"-1" is not a known port/],
  [[2.5], 0, /^"2\.5" is not a known port/],
  [['30-20'], 0, /write "20-30"$/],
  [['0-65535'], 0, /write "ports: all"$/],
  [['all'], 0, /write "ports: all"$/],
  [['25/sctp'], 0, /^"25\/sctp" is not a known port/],
  [[''], 0, /is not a known port/],
  [[], 0, /the list of ports is empty/],
];
for (const [written, index, message] of wrong) {
  test(`parsePorts ${JSON.stringify(written)} is refused: ${message.source}`, () => {
    const parsed = parsePorts(written, services);
    assert.ok(parsed.kind === 'mistakes');
    assert.equal(parsed.mistakes.length, 1);
    assert.equal(parsed.mistakes[0]?.index, index);
    assert.match(parsed.mistakes[0]?.message ?? '', message);
  });
}

test('whatever is written, ports come out sorted, each once, and in range', () => {
  const entry = fc.oneof(
    fc.integer({ min: -5, max: 70_000 }),
    fc.string(),
    fc.constantFrom('smtp', '1-9', '5-7/udp', 'urd'),
    fc.stringMatching(/^\d{1,5}-\d{1,5}$/),
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
      const parsed = parsePorts(entries, services);
      if (parsed.kind === 'mistakes') return parsed.mistakes.length > 0;
      assert.ok(parsed.ports.kind === 'list');
      const { ports } = parsed.ports;
      return (
        ports.length > 0 &&
        ports.every(
          (port, index) => Number.isInteger(port) && port >= 1 && port <= 65_535 && (index === 0 || port > (ports[index - 1] ?? 0)),
        )
      );
    }),
  );
});
