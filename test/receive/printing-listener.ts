import type { Sink } from '../../src/model/source.ts';
import { openSyslogTcp } from '../../src/receive/syslog-tcp.ts';
import { openSyslogUdp } from '../../src/receive/syslog-udp.ts';
import { loopbackSettings, prefix, testDeps } from './syslog-listener.ts';

// Run inside a network namespace: listens on the address given, says on which ports, then prints each record's way here.
const [host = '127.0.0.1'] = process.argv.slice(2);
const nothing = (): void => undefined;
const sink: Sink = {
  record: ({ origin, trust, text }) => print({ peer: origin.kind === 'syslog' ? origin.peer : undefined, trust, text }),
  read: nothing,
  error: (reason, detail) => print({ reason, detail }),
  lost: nothing,
  up: nothing,
  connections: nothing,
};

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const settings = { host, peers: [prefix('192.0.2.0/24')] };
const tcp = await openSyslogTcp(loopbackSettings('tcp', settings), sink, testDeps());
const udp = await openSyslogUdp(loopbackSettings('udp', settings), sink, testDeps());
print({ tcp: tcp.port, udp: udp.port });
