import { type Expression, FormulaError, parseExpression } from './formula-syntax.ts';

/** Names and what they stand for. */
export type Variables = ReadonlyMap<string, number>;

/** A checked expression: every name in it is known, every call has as many values as it needs. */
export interface Formula {
  readonly text: string;
  /** Random numbers from 0 (included) to 1 (not) come from the caller. @throws {FormulaError} for a division by zero and the like */
  readonly evaluate: (variables: Variables, random: () => number) => number;
}

interface KnownFunction {
  readonly least: number;
  readonly most: number;
  readonly apply: (args: readonly number[], random: () => number) => number;
}

function ofOne(apply: (value: number) => number): KnownFunction {
  return { least: 1, most: 1, apply: ([value = NaN]) => apply(value) };
}

function ofTwo(apply: (a: number, b: number) => number): KnownFunction {
  return { least: 2, most: 2, apply: ([a = NaN, b = NaN]) => apply(a, b) };
}

const manyValues = 64;

const functions: ReadonlyMap<string, KnownFunction> = new Map<string, KnownFunction>([
  ['int', ofOne(Math.trunc)],
  ['float', ofOne((value) => value)],
  ['bool', ofOne((value) => (value === 0 ? 0 : 1))],
  ['abs', ofOne(Math.abs)],
  ['round', { least: 1, most: 2, apply: ([value = NaN, digits = 0]) => roundHalfEven(value * 10 ** digits) / 10 ** digits }],
  ['min', { least: 2, most: manyValues, apply: (args) => Math.min(...args) }],
  ['max', { least: 2, most: manyValues, apply: (args) => Math.max(...args) }],
  ['pow', ofTwo(power)],
  ['math.pow', ofTwo(power)],
  ['math.exp', ofOne(Math.exp)],
  ['math.expm1', ofOne(Math.expm1)],
  [
    'math.log',
    { least: 1, most: 2, apply: ([value = NaN, base]) => (base === undefined ? Math.log(value) : Math.log(value) / Math.log(base)) },
  ],
  ['math.log2', ofOne(Math.log2)],
  ['math.log10', ofOne(Math.log10)],
  ['math.log1p', ofOne(Math.log1p)],
  ['math.sqrt', ofOne(Math.sqrt)],
  ['math.ceil', ofOne(Math.ceil)],
  ['math.floor', ofOne(Math.floor)],
  ['math.trunc', ofOne(Math.trunc)],
  ['math.fabs', ofOne(Math.abs)],
  ['math.fmod', ofTwo((a, b) => a % b)],
  ['math.hypot', ofTwo(Math.hypot)],
  ['math.factorial', ofOne(factorial)],
  ['math.sin', ofOne(Math.sin)],
  ['math.cos', ofOne(Math.cos)],
  ['math.tan', ofOne(Math.tan)],
  ['math.atan', ofOne(Math.atan)],
  ['math.tanh', ofOne(Math.tanh)],
  ['random.random', { least: 0, most: 0, apply: (_args, random) => random() }],
  ['random.uniform', { least: 2, most: 2, apply: ([a = NaN, b = NaN], random) => a + (b - a) * random() }],
  ['random.randint', { least: 2, most: 2, apply: ([a = NaN, b = NaN], random) => a + Math.floor((b - a + 1) * random()) }],
  [
    'random.randrange',
    {
      least: 1,
      most: 2,
      apply: ([a = NaN, b], random) => (b === undefined ? Math.floor(a * random()) : a + Math.floor((b - a) * random())),
    },
  ],
]);

const constants: Variables = new Map([
  ['True', 1],
  ['False', 0],
  ['math.pi', Math.PI],
  ['math.e', Math.E],
  ['math.tau', 2 * Math.PI],
  ['math.inf', Infinity],
]);

/**
 * Reads an expression and checks it. Evaluating takes as many steps as the text has parts: there are no loops, no calls but to the functions of
 * the list above, and no number grows beyond a double.
 *
 * @param names that the caller gives values to: `ban.Time`, `ban.Count`, `banFactor`
 * @throws {FormulaError} with the offset of what cannot be used
 */
export function compileFormula(text: string, names: readonly string[]): Formula {
  const expression = parseExpression(text);
  check(expression, new Set(names));
  return {
    text,
    evaluate: (variables, random) => {
      const value = evaluate(expression, { variables, random });
      if (!Number.isFinite(value)) throw new FormulaError(0, 'the result is not a finite number');
      return value;
    },
  };
}

function check(expression: Expression, names: ReadonlySet<string>): void {
  switch (expression.kind) {
    case 'number':
      return;
    case 'name': {
      if (names.has(expression.name) || constants.has(expression.name)) return;
      const all = [...names, ...constants.keys()].join(', ');
      const called = functions.has(expression.name)
        ? `"${expression.name}" is a function: write "${expression.name}(...)"`
        : `"${expression.name}" is not known`;
      throw new FormulaError(expression.offset, `${called}; known are ${all}`);
    }
    case 'call': {
      const { name, args, offset } = expression;
      const known = functions.get(name);
      if (known === undefined)
        throw new FormulaError(offset, `the function "${name}" is not known; known are ${[...functions.keys()].join(', ')}`);
      if (args.length < known.least || args.length > known.most) {
        const wanted = known.least === known.most ? String(known.least) : `${known.least} to ${known.most}`;
        throw new FormulaError(offset, `${name}() takes ${wanted} values, found ${args.length}`);
      }
      for (const arg of args) check(arg, names);
      return;
    }
    case 'unary':
      return check(expression.operand, names);
    case 'binary':
      check(expression.left, names);
      return check(expression.right, names);
    case 'compare':
      check(expression.first, names);
      for (const { operand } of expression.rest) check(operand, names);
      return;
    case 'choice':
      check(expression.condition, names);
      check(expression.yes, names);
      return check(expression.no, names);
  }
}

interface Given {
  readonly variables: Variables;
  readonly random: () => number;
}

function evaluate(expression: Expression, given: Given): number {
  switch (expression.kind) {
    case 'number':
      return expression.value;
    case 'name':
      return given.variables.get(expression.name) ?? constants.get(expression.name) ?? NaN;
    case 'call':
      return applied(
        expression.name,
        expression.args.map((arg) => evaluate(arg, given)),
        given.random,
        expression.offset,
      );
    case 'unary': {
      const value = evaluate(expression.operand, given);
      if (expression.operator === 'not') return value === 0 ? 1 : 0;
      if (expression.operator === '~') return -whole(value, expression.offset) - 1;
      return expression.operator === '-' ? -value : value;
    }
    case 'binary': {
      const left = evaluate(expression.left, given);
      if (expression.operator === 'and') return left === 0 ? left : evaluate(expression.right, given);
      if (expression.operator === 'or') return left === 0 ? evaluate(expression.right, given) : left;
      return combined(expression.operator, left, evaluate(expression.right, given), expression.offset);
    }
    case 'compare': {
      let left = evaluate(expression.first, given);
      for (const { operator, operand } of expression.rest) {
        const right = evaluate(operand, given);
        if (!compared(operator, left, right)) return 0;
        left = right;
      }
      return 1;
    }
    case 'choice':
      return evaluate(evaluate(expression.condition, given) === 0 ? expression.no : expression.yes, given);
  }
}

function applied(name: string, args: readonly number[], random: () => number, offset: number): number {
  const value = functions.get(name)?.apply(args, random) ?? NaN;
  // Where Python raises an error (the logarithm of 0, 1e999) there is no ban time to be had.
  if (Number.isNaN(value) || (!Number.isFinite(value) && args.every((arg) => Number.isFinite(arg))))
    throw new FormulaError(offset, `${name}(${args.join(', ')}) has no value`);
  return value;
}

function combined(operator: string, left: number, right: number, offset: number): number {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '**':
      return applied('pow', [left, right], () => 0, offset);
    case '<<':
      return whole(left, offset) * 2 ** shift(right, offset);
    case '>>':
      return Math.floor(whole(left, offset) / 2 ** shift(right, offset));
    case '&':
      return Number(BigInt(whole(left, offset)) & BigInt(whole(right, offset)));
    case '|':
      return Number(BigInt(whole(left, offset)) | BigInt(whole(right, offset)));
    case '^':
      return Number(BigInt(whole(left, offset)) ^ BigInt(whole(right, offset)));
    default:
      if (right === 0) throw new FormulaError(offset, 'division by zero');
      if (operator === '/') return left / right;
      // Python rounds towards minus infinity, and the remainder has the sign of the divisor.
      return operator === '//' ? Math.floor(left / right) : left - right * Math.floor(left / right);
  }
}

function compared(operator: string, left: number, right: number): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

const maxShift = 1_000;

function whole(value: number, offset: number): number {
  if (!Number.isSafeInteger(value)) throw new FormulaError(offset, `${value} is not a whole number`);
  return value;
}

function shift(value: number, offset: number): number {
  if (!Number.isInteger(value) || value < 0 || value > maxShift)
    throw new FormulaError(offset, `cannot shift by ${value}; wanted 0 to ${maxShift}`);
  return value;
}

function power(base: number, exponent: number): number {
  return base === 0 && exponent < 0 ? NaN : base ** exponent;
}

function factorial(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 170) return NaN;
  let product = 1;
  for (let factor = 2; factor <= value; factor++) product *= factor;
  return product;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const over = value - floor;
  if (over !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
