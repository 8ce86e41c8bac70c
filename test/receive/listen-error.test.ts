import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenError } from '../../src/receive/listen-error.ts';

const place = { transport: 'tcp', host: '::1', port: 514 } as const;

const cases: readonly [code: string, message: RegExp][] = [
  [
    'EADDRINUSE',
    /^Cannot listen on tcp:\/\/\[::1\]:514: another program has this port\. "ss -Hltnp sport = :514" shows which \(EADDRINUSE\): stop it, or/,
  ],
  [
    'EACCES',
    /^Cannot listen on tcp:\/\/\[::1\]:514: ports below 1024 need the right to bind them \(EACCES\): use a port such as 5514, or add CAP_NET_BIND_SERVICE/,
  ],
  ['EADDRNOTAVAIL', /no interface of this host has the address ::1 \(EADDRNOTAVAIL\): "ip address" shows/],
  ['ENOTFOUND', /write an address, not a name$/],
  ['EMFILE', /^Cannot listen on tcp:\/\/\[::1\]:514: out of luck$/],
];

for (const [code, message] of cases) {
  test(`${code} says what to do, and keeps its cause`, () => {
    const cause = Object.assign(new Error('out of luck'), { code });
    const error = listenError(place, cause);
    assert.match(error.message, message);
    assert.equal(error.cause, cause);
  });
}
