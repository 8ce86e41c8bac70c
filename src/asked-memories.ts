import type { Jail } from './model/decision.ts';
import type { Filter } from './model/filter.ts';

/**
 * The filter without the memories that no jail's pattern asks for. A queue id's client stands in one line of every mail that passes: where nobody is
 * banned for the content of mail, those lines need not be looked at. A pattern that would ask is still recognised, without an address.
 */
export function withAskedMemories(filter: Filter, jails: readonly Jail[]): Filter {
  const { name: filterName, patterns, remember } = filter;
  const named = (pattern: string): boolean =>
    jails.some(({ filters }) => filters.includes(filterName) || filters.includes(`${filterName}/${pattern}`));
  const asked = new Set(patterns.flatMap(({ name, address }) => (address.kind === 'remembered' && named(name) ? [address.name] : [])));
  return remember.every(({ name }) => asked.has(name)) ? filter : { ...filter, remember: remember.filter(({ name }) => asked.has(name)) };
}
