import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { schema } from '../src/config/schema.ts';
import { shapeOf } from '../src/config/shape.ts';
import type { Facts } from '../src/config/values.ts';
import { builtinPortNames } from '../src/model/ports.ts';

/** The JSON Schema by which an editor checks sluice.yaml as it is written. The daemon's own reader knows more. */
export function configJsonSchema(): string {
  const converted = toJsonSchema(schema, {
    // A default makes a key optional for the writer.
    typeMode: 'ignore',
    ignoreActions: ['raw_transform'],
    // Our metadata is for docs/configuration.md; of it, JSON Schema knows the pattern.
    overrideAction: ({ valibotAction, jsonSchema }) => {
      if (valibotAction.type !== 'metadata') return undefined;
      const { pattern } = factsIn('metadata' in valibotAction ? valibotAction.metadata : {});
      return pattern === undefined ? jsonSchema : { ...jsonSchema, pattern };
    },
  });
  return `${JSON.stringify({ title: 'Configuration of sluice', ...converted }, withoutFacts, 2)}\n`;
}

function withoutFacts(key: string, value: unknown): unknown {
  return key === 'facts' ? undefined : value;
}

/** docs/configuration.md. @param example the text of share/sluice.yaml */
export function configMarkdown(example: string): string {
  const parts = [introduction];
  for (const [name, below] of Object.entries(schema.entries)) {
    const rows = [...rowsOf(name, below)];
    parts.push(`## \`${name}\``, descriptionOf(below), table(rows.length > 1 ? rows.slice(1) : rows));
  }
  parts.push(ports, '## The built-in defaults', `share/sluice.yaml, a file to begin with:\n\n\`\`\`yaml\n${example}\`\`\``);
  return `${parts.join('\n\n')}\n`;
}

interface Row {
  readonly key: string;
  readonly type: string;
  readonly standard: string;
  readonly bounds: string;
  readonly meaning: string;
}

/** A row for the key and one for each key below it. */
function* rowsOf(key: string, below: v.GenericSchema): Generator<Row> {
  const { entries, item, value, options } = shapeOf(below);
  yield { key, type: typeOf(below), standard: defaultOf(below), bounds: boundsOf(below), meaning: descriptionOf(below) };
  for (const [name, each] of Object.entries(entries ?? {})) yield* rowsOf(`${key}.${name}`, each);
  const deeper = [
    ...(value === undefined ? [] : [rowsOf(`${key}.NAME`, value)]),
    ...(item === undefined ? [] : [rowsOf(`${key}[]`, item)]),
    ...(options ?? []).map((option) => rowsOf(key, option)),
  ];
  for (const rows of deeper) yield* [...rows].slice(1);
}

function typeOf(below: v.GenericSchema): string {
  const { type, entries, item, value, options, literal } = shapeOf(below);
  const facts = factsOf(below);
  if (facts.type !== undefined) return facts.type;
  if (literal !== undefined) return `\`${literal}\``;
  if (entries !== undefined) return 'mapping';
  if (value !== undefined) return 'mapping from names to mappings';
  if (item !== undefined) return `list (${typeOf(item)})`;
  if (options !== undefined) return options.map(typeOf).join(' or ');
  return type === 'string' ? 'text' : type;
}

function boundsOf(below: v.GenericSchema): string {
  const { item, options = [] } = shapeOf(below);
  const bounds = [below, ...(item === undefined ? [] : [item]), ...options].map((each) => factsOf(each).bounds);
  return bounds.find((each) => each !== undefined) ?? '';
}

function defaultOf(below: v.GenericSchema): string {
  const standard: unknown = 'default' in below ? below.default : undefined;
  if (standard === undefined || (typeof standard === 'object' && !Array.isArray(standard))) return '';
  return `\`${typeof standard === 'string' ? standard : JSON.stringify(standard)}\``;
}

function descriptionOf(below: v.GenericSchema): string {
  return v.getDescription(unwrapped(below)) ?? '';
}

function factsOf(below: v.GenericSchema): Partial<Facts> {
  return factsIn(v.getMetadata(unwrapped(below)));
}

function unwrapped(below: v.GenericSchema): v.GenericSchema {
  return (below as { readonly wrapped?: v.GenericSchema }).wrapped ?? below;
}

function factsIn(metadata: unknown): Partial<Facts> {
  return (metadata as { readonly facts?: Facts }).facts ?? {};
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ key, type, standard, bounds, meaning }) => `| \`${key}\` | ${[type, standard, bounds, meaning].map(cell).join(' | ')} |`,
  );
  return ['| key | type | default | bounds | meaning |', '|---|---|---|---|---|', ...lines].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const introduction = `# Configuration

<!-- Written by "npm run docs" from src/config/schema.ts. Changes belong there. -->

sluice reads /etc/sluice/sluice.yaml, or the file that \`-c\` names. Without one, the built-in defaults below are in force, and the first lines
of the log say what of them this machine does not allow.

Then come the files \`conf.d/*.yaml\` beside that file, in the order of their names, merged over it: a later value wins, a list replaces a list,
a mapping is merged key by key. \`sluice config\` shows what came out, with the file and line of each value; \`sluice check\` finds all
mistakes, each with its place; \`sluice reload\` takes a changed configuration over, or changes nothing and says why not.

For checks as you type, give your editor share/sluice.schema.json; most take it from a first line such as
\`# yaml-language-server: $schema=/usr/lib/node_modules/sluice/share/sluice.schema.json\`.

## How values are written

The format is YAML 1.2. Unknown keys, keys that are given twice, and values out of bounds are mistakes.

- Durations: \`90s\`, \`15m\`, \`1h30m\`, \`2d\`, \`1w\`; the units are ms, s, m, h, d, w. \`permanent\` has no end. A bare number is refused: seconds or
  minutes would be a guess.
- Sizes: \`64KiB\`, \`8MiB\`, \`1GiB\`, in short \`64K\`, \`8M\`, \`1G\`; always 1024-based.
- Switches are \`true\` and \`false\`. In YAML 1.2 \`yes\`, \`no\`, \`on\` and \`off\` are texts.
- Addresses and networks: \`192.0.2.1\`, \`192.0.2.0/24\`, \`2001:db8::/32\`. Never names: nothing is resolved. In a list in brackets, an address that ends
  in \`:\` needs quotes: \`['2001:db8::']\`.
- A number with a leading zero, such as 0600, is refused: YAML 1.2 reads it as six hundred.
- Anchors and aliases work; merge keys (\`<<\`) and tags do not.

## Paths

| | root | a systemd unit | any other user |
|---|---|---|---|
| state | /var/lib/sluice/sluice.db | $STATE_DIRECTORY/sluice.db | $XDG_STATE_HOME/sluice/sluice.db (~/.local/state) |
| socket | /run/sluice/control.sock | $RUNTIME_DIRECTORY/control.sock | $XDG_RUNTIME_DIR/sluice/control.sock, without it beside the state |

A path in \`state\` or \`control\` goes before all of these. Commands look for the socket at \`--socket\`, $SLUICE_SOCKET, /run/sluice, then where any other
user has it.`;

const ports = `## Names of ports

${builtinPortNames.join(', ')}, and those in /etc/services. A number alone means TCP; \`/tcp\` or \`/udp\` behind a name, number or range says which.
A jail with TCP and UDP ports closes each of them for both.`;
