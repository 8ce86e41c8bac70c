import type { Section } from './ini-file.ts';
import { interpolate, interpolateAnywhere } from './interpolate.ts';
import type { Layers } from './layering.ts';
import { type SourcedText } from './sourced-text.ts';
import { substituteTags } from './tags.ts';

/**
 * A filter or an action with the parameters that a jail gives it. fail2ban reads a filter twice, before and after the jail's own options
 * are known, and the first reading leaves traces in the second: parameters from [Init] and names looked up for tags.
 */
export class Definition {
  readonly #layers: Layers;
  readonly #options: readonly string[];
  #parameters: Section;
  readonly #found = new Map<string, SourcedText | undefined>();
  #variables: Section = new Map();
  #own: Section = new Map();

  /**
   * @param options keys of [Definition] that mean something; every other key is only a variable
   * @param parameters what stands in the jail's brackets
   */
  constructor(layers: Layers, options: readonly string[], parameters: Section) {
    this.#layers = layers;
    this.#options = options;
    this.#parameters = parameters;
  }

  /** Parameters of the jail, then those of [Init] that the jail does not give, then `known/NAME` as [Init] has them. Tags stand as written. */
  get parameters(): Section {
    return this.#parameters;
  }

  /**
   * Reads the options, each with `%()s` replaced.
   *
   * @param jail options of the jail: what it has itself is not read from here
   * @param all also the variables of [Definition]; replaced without the parameters, as fail2ban does it
   * @throws {Mistake} if something cannot be replaced
   */
  read(jail: Section, all: boolean): void {
    const variables = new Map([...jail, ...this.#parameters]);
    const definition = this.#layers.sections.get('Definition');
    const own = new Map<string, SourcedText>();
    for (const name of this.#options) {
      if (definition === undefined || variables.has(name)) continue;
      const value = interpolate(this.#layers, 'Definition', name, variables);
      if (value !== undefined) own.set(name, value);
    }
    this.#variables = variables;

    const parameters = new Map(this.#parameters);
    for (const name of this.#layers.sections.get('Init')?.keys() ?? []) {
      const value = interpolate(this.#layers, 'Init', name);
      if (value === undefined) continue;
      if (!name.startsWith('known/')) parameters.set(`known/${name}`, value);
      if (!parameters.has(name)) parameters.set(name, value);
    }
    this.#parameters = parameters;

    for (const name of all ? (definition?.keys() ?? []) : []) {
      if (own.has(name)) continue;
      const value = interpolate(this.#layers, 'Definition', name);
      if (value !== undefined) own.set(name, value);
    }
    this.#own = own;
  }

  /** Whether [Definition] itself has the key, apart from DEFAULT. */
  defines(name: string): boolean {
    return this.#layers.sections.get('Definition')?.has(name) === true;
  }

  setParameter(name: string, value: SourcedText): void {
    this.#parameters = new Map(this.#parameters).set(name, value);
  }

  /**
   * Options and parameters with every `<tag>` replaced that can be known now.
   *
   * @param ignore tags that stay
   * @throws {Mistake} for values in a circle, or a `%()s` that cannot be replaced
   */
  resolve(ignore: ReadonlySet<string> = new Set()): Section {
    return substituteTags(new Map([...this.#own, ...this.#parameters]), { ignore, lookup: (name) => this.lookup(name) });
  }

  /** A key of [Definition], or `section/key`, for a tag. What was found once stays, also when the jail's options are known better. */
  lookup(name: string): SourcedText | undefined {
    if (this.#found.has(name)) return this.#found.get(name);
    const value = interpolateAnywhere(this.#layers, 'Definition', name, this.#variables);
    this.#found.set(name, value);
    return value;
  }
}
