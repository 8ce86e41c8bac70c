import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** `smtp-client.ts FROM TO PORT COMMANDS`: sends one command after another, each when the one before is answered; prints the dialogue. */
const [from = '', to = '', port = '25', commands = '[]'] = process.argv.slice(2);
const socket = connect({ host: to, port: Number(port), localAddress: from });
socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
await once(socket, 'connect');
const lines = createInterface({ input: socket })[Symbol.asyncIterator]();

/** The first line of a reply; its other lines (`250-...`) are read over. RFC 5321 section 4.2.1. */
async function reply(): Promise<string> {
  let first: string | undefined;
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) return first ?? 'closed';
    first ??= value;
    if (value[3] !== '-') return first;
  }
}

const list: readonly string[] = JSON.parse(commands);
const dialogue = [{ sent: '', answer: await reply() }];
for (const sent of list) {
  socket.write(`${sent}\r\n`);
  const answer = await reply();
  dialogue.push({ sent, answer });
  if (answer === 'closed') break;
}
socket.destroy();
process.stdout.write(JSON.stringify(dialogue));
