import type { Node } from 'yaml';
import { isMap } from 'yaml';
import type { Diagnostic } from '../../diagnostic.ts';
import { parseAddress } from '../../model/address.ts';
import type { Address } from '../../model/address.ts';
import type { Recognised } from '../../model/detection.ts';
import type { Filter } from '../../model/filter.ts';
import { didYouMean } from '../../model/spelling.ts';
import type { YamlReader } from './yaml-reader.ts';

/** One test inside a rule file. */
export interface RuleTest {
  /** Log lines, or messages alone. The last one is judged; those before it are what `remember:` needs. */
  readonly lines: readonly string[];
  /** `success`: one of those patterns fits. undefined: nothing may match. */
  readonly matches: string | undefined;
  /** undefined: the test does not say. */
  readonly address: Address | undefined;
  /** Where a failure is reported. */
  readonly place: Pick<Diagnostic, 'file' | 'line' | 'column' | 'length'>;
}

/**
 * Reads the records of a filter one after another, as the daemon would, and says what came of the last one. A line that is no log line is
 * a message of the filter's first program. Whoever calls joins `parse` and `match` for this: services know no stages.
 */
export type RecogniseLines = (filter: Filter, lines: readonly string[]) => Recognised;

/** Reads `tests:`. */
export function readTests(yaml: YamlReader, node: Node | undefined, patterns: readonly string[]): readonly RuleTest[] {
  return yaml.sequence(node, '"tests"').flatMap((entry) => {
    const before = yaml.diagnostics.length;
    const values = new Map(yaml.mapping(entry, 'a test', ['line', 'matches', 'address']).map(({ key, value }) => [key, value]));
    const line = yaml.text(values.get('line'), '"line"');
    const matches = yaml.text(values.get('matches'), '"matches"');
    const named = yaml.text(values.get('address'), '"address"');
    if (!isMap(entry)) return [];
    if (values.get('line') === undefined) yaml.report(entry, 'this test has no line');
    if (values.get('matches') === undefined)
      yaml.report(entry, 'this test does not say what matches', 'write "matches: NAME" of a pattern, or "matches: nothing"');
    if (matches !== undefined && matches.text !== 'nothing' && matches.text !== success && !patterns.includes(matches.text)) {
      yaml.report(matches.node, `no pattern is named "${matches.text}"${didYouMean(matches.text, [...patterns, 'nothing', success])}`);
    }
    const address = named === undefined ? undefined : parseAddress(named.text);
    if (named !== undefined && address === undefined) yaml.report(named.node, `"${named.text}" is not an address`);
    if (matches?.text === 'nothing' && named !== undefined) yaml.report(named.node, 'nothing matches, so there is no address');
    if (line === undefined || matches === undefined || yaml.diagnostics.length > before) return [];
    const lines = line.text.split('\n').filter((text) => text !== '');
    return [{ lines, matches: matches.text === 'nothing' ? undefined : matches.text, address, place: yaml.placeOf(line.node) }];
  });
}

/** What a test says of a line that tells of a welcome client. */
const success = 'success';

/** Runs the tests of one filter. @returns one diagnostic for each that fails */
export function runRuleTests(filter: Filter, tests: readonly RuleTest[], recognise: RecogniseLines): readonly Diagnostic[] {
  return tests.flatMap((test) => {
    const failure = judge(test, recognise(filter, test.lines));
    return failure === undefined ? [] : [{ ...test.place, message: failure.message, help: failure.help, severity: 'error' as const }];
  });
}

function judge(
  test: RuleTest,
  { detections, none, successes = [] }: Recognised,
): { readonly message: string; readonly help: string | undefined } | undefined {
  const [found] = detections;
  const [welcome] = successes;
  const [silent] = none;
  const why =
    silent === undefined
      ? undefined
      : silent.kind === 'except'
        ? 'an exception took it'
        : `${silent.pattern} fits, and no address is remembered for it`;
  const got = found?.pattern ?? (welcome === undefined ? 'nothing' : success);
  const wanted = test.matches ?? 'nothing';
  if (got !== wanted)
    return { message: `this line should match ${wanted}, and ${got === 'nothing' ? 'nothing does' : `${got} does`}`, help: why };
  const named = found?.address ?? welcome;
  if (named === undefined || test.address === undefined || named === test.address) return undefined;
  return { message: `this line should name ${test.address}, and names ${named}`, help: undefined };
}
