import type { YAMLParseError, YAMLWarning } from 'yaml';

interface Explanation {
  readonly message: string;
  readonly help: string | undefined;
}

/** The library's words name its own grammar; these name what people do. */
const explanations: Readonly<Partial<Record<YAMLParseError['code'], Explanation>>> = {
  TAB_AS_INDENT: { message: 'a tab cannot indent in YAML', help: 'use spaces' },
  MULTIPLE_DOCS: { message: 'a second document begins here', help: 'remove the "---"; further settings can go into conf.d/NAME.yaml' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a mapping cannot begin here',
    help: 'a text that holds ": " needs quotes; a nested key needs a line of its own',
  },
  BAD_SCALAR_START: { message: 'a text cannot begin with this character', help: 'put the text in single quotes' },
  BAD_INDENT: { message: 'this line is not indented as the lines above need it', help: 'keys of one mapping begin in one column' },
  RESOURCE_EXHAUSTION: { message: 'nested too deeply', help: undefined },
  TAG_RESOLVE_FAILED: { message: 'tags have no meaning here', help: 'a text that begins with "!" needs quotes' },
};

const helps: Readonly<Partial<Record<YAMLParseError['code'], string>>> = {
  MISSING_CHAR: 'each [ { and quote must be closed',
  BAD_DQ_ESCAPE: "in single quotes a backslash is only a backslash: 'a\\b'",
};

/** What is wrong with the YAML, and what to write instead. */
export function explainYaml({ code, message }: YAMLParseError | YAMLWarning): Explanation {
  if (code === 'BAD_INDENT' && message.startsWith('Flow')) return { message: 'a "[" or "{" above is not closed', help: undefined };
  if (message.startsWith('Implicit map keys')) return { message: 'a key needs a colon and a space behind it', help: undefined };
  const known = explanations[code];
  if (known !== undefined) return known;
  return { message: message.charAt(0).toLowerCase() + message.slice(1), help: helps[code] };
}
