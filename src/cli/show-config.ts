import type { ConfigInForce, ConfigValue } from '../control/protocol.ts';
import { printable } from '../diagnostic.ts';
import type { Paint } from './paint.ts';

/** The configuration in force as YAML that could be used as it is, with the place of each value behind it. */
export function formatConfig({ file, values }: ConfigInForce, paint: Paint): string {
  const lines = layOut(values);
  const width = Math.min(72, Math.max(0, ...lines.map(({ text }) => text.length)));
  const body = lines.map(({ text, from }) =>
    from === undefined ? text : `${text.padEnd(width)}  ${paint('faint', `# ${from === null ? 'default' : printable(from)}`)}`,
  );
  const head = paint('faint', `# ${file === null ? 'no configuration file: built-in defaults' : printable(file)}`);
  return `${[head, ...body].join('\n')}\n`;
}

interface Line {
  readonly text: string;
  /** undefined: a line that only opens a mapping. */
  readonly from: string | null | undefined;
}

/** Opens each mapping and list item once, in the order the leaves come. */
function layOut(values: readonly ConfigValue[]): readonly Line[] {
  const lines: Line[] = [];
  let before: readonly (string | number)[] = [];
  for (const { path, value, from } of values) {
    let shared = 0;
    while (shared < path.length - 1 && path[shared] === before[shared]) shared++;
    // A list item begins on the line of its first key: "- " stands where the item's indentation would.
    let lead = '';
    for (let depth = shared; depth < path.length; depth++) {
      const step = path[depth];
      const indent = lead === '' ? '  '.repeat(depth) : lead;
      const last = depth === path.length - 1;
      if (typeof step === 'number') {
        lead = `${indent}- `;
        if (last) lines.push({ text: `${lead}${scalar(value)}`, from });
        continue;
      }
      lines.push(
        last ? { text: `${indent}${key(step ?? '')}: ${scalar(value)}`, from } : { text: `${indent}${key(step ?? '')}:`, from: undefined },
      );
      lead = '';
    }
    before = path;
  }
  return lines;
}

function key(name: string): string {
  return /^[A-Za-z_][\w-]*$/.test(name) ? name : JSON.stringify(name);
}

/** Plain where YAML 1.2 reads the same text back as a string, else as JSON, which YAML 1.2 reads too. */
function scalar(value: ConfigValue['value']): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const plain = /^[A-Za-z/][\w./:@+-]*$/.test(value) && !value.endsWith(':') && !/^(?:true|false|null)$/i.test(value);
  // Durations, sizes and addresses: no number in YAML 1.2's core schema has letters other than a leading 0x or 0o, or one e.
  const typed =
    /^\d+(?:ms|[smhdw])(?:\d+(?:ms|[smhdw]))*$/.test(value) ||
    /^\d+[KMGT]i?B?$/.test(value) ||
    /^\d+\.\d+\.\d+\.\d+(?:\/\d+)?$/.test(value);
  return plain || typed ? printable(value) : printable(JSON.stringify(value));
}
