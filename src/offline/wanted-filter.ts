import type { Foreign, Wanted } from '../cli/options.ts';
import { formatDiagnostic } from '../diagnostic.ts';
import { findFilter } from '../find-filter.ts';
import type { Filter } from '../model/filter.ts';
import { compilePattern } from '../rules/native/pattern-compile.ts';
import { provePattern } from '../rules/native/pattern-proof.ts';
import { parsePattern } from '../rules/native/pattern-syntax.ts';

/** What is looked for. `anyProgram`: a pattern that was typed has no programs; it is tried on every message. */
export interface Found {
  readonly filter: Filter;
  readonly anyProgram: boolean;
}

/** @returns rendered text in `mistakes` if there is none, or it cannot be used */
export function wantedFilter(wanted: Exclude<Wanted, Foreign>): Found | { readonly mistakes: string } {
  if (wanted.kind === 'filter') {
    const found = findFilter(wanted.spec);
    // Who is welcome is no matter here, and would make many lines worth a look.
    return 'mistakes' in found ? found : { filter: { ...found.filter, success: [] }, anyProgram: false };
  }
  const { syntax, mistakes: written } = parsePattern(wanted.text);
  const { proof, mistakes: unproved } = written.length > 0 ? { proof: 'none' as const, mistakes: [] } : provePattern(syntax, 'address');
  const mistakes = [...written, ...unproved];
  if (mistakes.length > 0) {
    const place = { file: '--pattern', line: 1, severity: 'error' } as const;
    const rendered = mistakes.map(({ start, end, message, help }) =>
      formatDiagnostic({ ...place, column: start + 1, length: Math.max(1, end - start), message, help }, wanted.text),
    );
    return { mistakes: rendered.join('\n') };
  }
  const pattern = compilePattern(syntax, proof, { name: 'pattern', follows: false, address: { kind: 'own' }, cutBytes: undefined });
  const ports = { kind: 'all' } as const;
  const filter = {
    name: '--pattern',
    about: '',
    programs: ['*'],
    journal: [],
    ports,
    patterns: [pattern],
    except: [],
    remember: [],
  };
  return { filter, anyProgram: true };
}
