/** An expression in the subset of Python that ban times are written in. */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string; readonly offset: number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly offset: number }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression; readonly offset: number }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression; readonly offset: number }
  | { readonly kind: 'compare'; readonly first: Expression; readonly rest: readonly Comparison[] }
  | { readonly kind: 'choice'; readonly condition: Expression; readonly yes: Expression; readonly no: Expression };

export interface Comparison {
  readonly operator: string;
  readonly operand: Expression;
}

/** What cannot be read or computed, with its offset in the text, in UTF-16 code units. */
export class FormulaError extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.name = 'FormulaError';
    this.offset = offset;
  }
}

interface Token {
  readonly kind: 'number' | 'name' | 'operator' | 'end';
  readonly text: string;
  readonly offset: number;
}

const maxLength = 2_000;
/** Expressions within each other; a formula of a person has five. */
const maxDepth = 64;

const tokenPattern =
  /\s*(?:(0[xX][0-9a-fA-F]+|(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)|(\*\*|\/\/|<<|>>|<=|>=|==|!=|[-+*/%<>()&|^~,]))/y;

/**
 * Reads an expression: numbers, dotted names, calls, `+ - * / // % ** << >> & | ^ ~`, comparisons, `and or not`, `a if c else b`. No attribute
 * of a value, no index, no string, no lambda.
 *
 * @throws {FormulaError} at the first thing that is none of these
 * @see The Python Language Reference, section 6.17: precedence
 */
export function parseExpression(text: string): Expression {
  if (text.length > maxLength) throw new FormulaError(0, `an expression has at most ${maxLength} characters`);
  const parser = new Parser(tokensOf(text));
  return parser.all();
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    tokenPattern.lastIndex = at;
    const found = tokenPattern.exec(text);
    if (found === null) break;
    const [whole, number, name, operator = ''] = found;
    const written = number ?? name ?? operator;
    tokens.push({
      kind: number !== undefined ? 'number' : name !== undefined ? 'name' : 'operator',
      text: written,
      offset: at + whole.length - written.length,
    });
    at += whole.length;
  }
  const rest = text.slice(at).trimStart();
  if (rest !== '') throw new FormulaError(text.length - rest.length, `unexpected "${rest.slice(0, 1)}"`);
  return [...tokens, { kind: 'end', text: '', offset: text.length }];
}

/** Operators of two operands from the loosest to the tightest; all go from left to right. */
const levels: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];
const comparisons = ['<', '<=', '>', '>=', '==', '!='];
const words = ['if', 'else', 'and', 'or', 'not'];

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  all(): Expression {
    const expression = this.#choice();
    const { kind, text, offset } = this.#peek();
    if (kind !== 'end') throw new FormulaError(offset, `unexpected "${text}"`);
    return expression;
  }

  #choice(): Expression {
    if (++this.#depth > maxDepth) throw new FormulaError(this.#peek().offset, `expressions stand in each other more than ${maxDepth} deep`);
    const yes = this.#or();
    let result = yes;
    if (this.#take('if') !== undefined) {
      const condition = this.#or();
      this.#expect('else');
      result = { kind: 'choice', condition, yes, no: this.#choice() };
    }
    this.#depth--;
    return result;
  }

  #or(): Expression {
    let left = this.#and();
    for (let token = this.#take('or'); token !== undefined; token = this.#take('or')) left = binary(token, left, this.#and());
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    for (let token = this.#take('and'); token !== undefined; token = this.#take('and')) left = binary(token, left, this.#not());
    return left;
  }

  #not(): Expression {
    const token = this.#take('not');
    if (token === undefined) return this.#comparison();
    if (++this.#depth > maxDepth) throw new FormulaError(token.offset, `expressions stand in each other more than ${maxDepth} deep`);
    const operand = this.#not();
    this.#depth--;
    return { kind: 'unary', operator: 'not', operand, offset: token.offset };
  }

  #comparison(): Expression {
    const first = this.#level(0);
    const rest: Comparison[] = [];
    for (let token = this.#take(...comparisons); token !== undefined; token = this.#take(...comparisons)) {
      rest.push({ operator: token.text, operand: this.#level(0) });
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }

  #level(index: number): Expression {
    const operators = levels[index];
    if (operators === undefined) return this.#signed();
    let left = this.#level(index + 1);
    for (let token = this.#take(...operators); token !== undefined; token = this.#take(...operators)) {
      left = binary(token, left, this.#level(index + 1));
    }
    return left;
  }

  #signed(): Expression {
    const token = this.#take('+', '-', '~');
    if (token === undefined) return this.#power();
    if (++this.#depth > maxDepth) throw new FormulaError(token.offset, `expressions stand in each other more than ${maxDepth} deep`);
    const operand = this.#signed();
    this.#depth--;
    return { kind: 'unary', operator: token.text, operand, offset: token.offset };
  }

  /** Goes from right to left, and binds tighter than a sign before it, but not than one behind it. */
  #power(): Expression {
    const base = this.#atom();
    const token = this.#take('**');
    return token === undefined ? base : binary(token, base, this.#signed());
  }

  #atom(): Expression {
    const token = this.#peek();
    this.#at++;
    if (token.kind === 'number') return { kind: 'number', value: numberOf(token) };
    if (token.kind === 'name' && !words.includes(token.text)) {
      if (this.#take('(') === undefined) return { kind: 'name', name: token.text, offset: token.offset };
      return { kind: 'call', name: token.text, args: this.#arguments(), offset: token.offset };
    }
    if (token.text !== '(')
      throw new FormulaError(
        token.offset,
        token.kind === 'end' ? 'a value is missing at the end' : `a value was expected, found "${token.text}"`,
      );
    const inner = this.#choice();
    this.#expect(')');
    return inner;
  }

  #arguments(): readonly Expression[] {
    const args: Expression[] = [];
    while (this.#take(')') === undefined) {
      args.push(this.#choice());
      if (this.#peek().text !== ')') this.#expect(',');
    }
    return args;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', offset: 0 };
  }

  #take(...texts: readonly string[]): Token | undefined {
    const token = this.#peek();
    if (token.kind === 'number' || token.kind === 'end' || !texts.includes(token.text)) return undefined;
    this.#at++;
    return token;
  }

  #expect(text: string): void {
    const { offset, text: found } = this.#peek();
    if (this.#take(text) === undefined) throw new FormulaError(offset, `"${text}" was expected${found === '' ? '' : `, found "${found}"`}`);
  }
}

function binary({ text, offset }: Token, left: Expression, right: Expression): Expression {
  return { kind: 'binary', operator: text, left, right, offset };
}

function numberOf({ text, offset }: Token): number {
  if (/^0\d/.test(text) && /^[\d_]+$/.test(text) && /[1-9]/.test(text)) throw new FormulaError(offset, `"${text}" begins with a zero`);
  return Number(text.replaceAll('_', ''));
}
