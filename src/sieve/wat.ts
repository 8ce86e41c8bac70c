/** A parsed s-expression: a word, or a list. */
type Node = string | readonly Node[];

const types: Readonly<Record<string, number>> = { i32: 0x7f, v128: 0x7b };

/** Instructions without immediate operands: WebAssembly core specification, chapter 5.4 "Instructions". */
const plain: Readonly<Record<string, readonly number[]>> = {
  return: [0x0f],
  'i32.eqz': [0x45],
  'i32.eq': [0x46],
  'i32.ne': [0x47],
  'i32.lt_u': [0x49],
  'i32.gt_u': [0x4b],
  'i32.le_u': [0x4d],
  'i32.ge_u': [0x4f],
  'i32.clz': [0x67],
  'i32.ctz': [0x68],
  'i32.popcnt': [0x69],
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'i32.and': [0x71],
  'i32.or': [0x72],
  'i32.shl': [0x74],
  'i32.shr_u': [0x76],
  'i8x16.swizzle': [0xfd, 0x0e],
  'i8x16.splat': [0xfd, 0x0f],
  'i8x16.eq': [0xfd, 0x23],
  'i8x16.ne': [0xfd, 0x24],
  'v128.and': [0xfd, 0x4e],
  'v128.any_true': [0xfd, 0x53],
  'i8x16.bitmask': [0xfd, 0x64],
  'i16x8.shr_u': [0xfd, 0x8d, 0x01],
};

/** Instructions with an alignment, here always that of a byte, and an offset. */
const memory: Readonly<Record<string, readonly number[]>> = {
  'i32.load': [0x28],
  'i32.load8_u': [0x2d],
  'i32.store': [0x36],
  'v128.load': [0xfd, 0x00],
  'v128.store': [0xfd, 0x0b],
};

/**
 * Assembles a module written in the WebAssembly text format: functions and one imported memory, folded instructions, names, and no more instructions
 * than the tables above have.
 *
 * So the kernel is read as it is written, and no binary has to be believed.
 *
 * @throws {Error} on anything it does not know
 * @see https://webassembly.github.io/spec/core/text/index.html
 */
export function assembleModule(text: string): Uint8Array<ArrayBuffer> {
  const [module] = parseNodes(text);
  const [head, ...fields] = listOf(module);
  if (head !== 'module') throw new Error(`a module begins with (module, not with ${String(head)}`);
  const functions = fields.filter((field) => field[0] === 'func').map((field) => readFunction(listOf(field)));
  const imports = fields.filter((field) => field[0] === 'import').map((field) => listOf(field));
  const exports = functions.map(({ exported }, index) => [...name(exported), 0, ...leb(index)]);
  return Uint8Array.from([
    ...magicAndVersion,
    ...section(
      1,
      functions.map(({ signature }) => signature),
    ), // prettier keeps one kind of section a line
    ...section(
      2,
      imports.map(([, from, what]) => [...name(quotedText(from)), ...name(quotedText(what)), 2, 0, 1]),
    ),
    ...section(
      3,
      functions.map((_, index) => leb(index)),
    ),
    ...section(7, exports),
    ...section(
      10,
      functions.map(({ code }) => [...leb(code.length), ...code]),
    ),
  ]);
}

const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

interface AssembledFunction {
  readonly exported: string;
  readonly signature: readonly number[];
  readonly code: readonly number[];
}

/** `(func (export "name") (param $a i32) (result i32) (local $b v128) instruction...)` */
function readFunction(field: readonly Node[]): AssembledFunction {
  const declared = (kind: string): readonly (readonly Node[])[] =>
    field
      .slice(1)
      .map(listOf)
      .filter(([head]) => head === kind);
  const parameters = declared('param');
  const locals = declared('local');
  const results = declared('result').map(([, type]) => typeOf(type));
  const names = [...parameters, ...locals].map(([, each]) => String(each));
  const declarations = new Set(['export', 'param', 'result', 'local']);
  const body = field.slice(1).filter((node) => !declarations.has(String(listOf(node)[0])));
  const encoded: number[] = [];
  for (const node of body) writeInstruction(node, { locals: names, labels: [] }, encoded);
  return {
    exported: exportOf(field),
    signature: [0x60, ...vector(parameters.map(([, , type]) => [typeOf(type)])), ...vector(results.map((type) => [type]))],
    code: [...vector(locals.map(([, , type]) => [1, typeOf(type)])), ...encoded, 0x0b],
  };
}

interface Scope {
  readonly locals: readonly string[];
  /** Enclosing blocks, the innermost first. */
  readonly labels: readonly string[];
}

/** Writes the instruction, its operands first. */
function writeInstruction(node: Node, scope: Scope, out: number[]): void {
  const [head, ...rest] = listOf(node);
  const op = String(head);
  const writeAll = (nodes: readonly Node[], inside = scope): void => {
    for (const each of nodes) writeInstruction(each, inside, out);
  };
  const [first, ...others] = rest;
  switch (op) {
    case 'block':
    case 'loop':
      out.push(op === 'block' ? 0x02 : 0x03, emptyType);
      writeAll(others, { ...scope, labels: [String(first), ...scope.labels] });
      out.push(0x0b);
      return;
    case 'if': {
      const then = rest.find((each) => each[0] === 'then') ?? [];
      writeAll(rest.filter((each) => each !== then));
      out.push(0x04, emptyType);
      writeAll(listOf(then).slice(1), { ...scope, labels: ['', ...scope.labels] });
      out.push(0x0b);
      return;
    }
    case 'br':
    case 'br_if':
      writeAll(others);
      out.push(op === 'br' ? 0x0c : 0x0d, ...leb(indexOf(scope.labels, first)));
      return;
    case 'local.get':
      out.push(0x20, ...leb(indexOf(scope.locals, first)));
      return;
    case 'local.set':
    case 'local.tee':
      writeAll(others);
      out.push(op === 'local.set' ? 0x21 : 0x22, ...leb(indexOf(scope.locals, first)));
      return;
    case 'i32.const':
      out.push(0x41, ...signedLeb(Number(first)));
      return;
    default: {
      const code = plain[op];
      if (code !== undefined) {
        writeAll(rest);
        out.push(...code);
        return;
      }
      const access = memory[op];
      if (access === undefined) throw new Error(`an instruction that is not known here: ${op}`);
      const offset = typeof first === 'string' && first.startsWith('offset=') ? Number(first.slice('offset='.length)) : undefined;
      writeAll(offset === undefined ? rest : others);
      out.push(...access, 0, ...leb(offset ?? 0));
    }
  }
}

const emptyType = 0x40;

/** Words and lists; a comment reaches from `;;` to the end of its line. */
function parseNodes(text: string): readonly Node[] {
  const stack: Node[][] = [[]];
  for (const token of text.replaceAll(/;;.*/g, '').match(/[()]|[^\s()]+/g) ?? []) {
    if (token === '(') stack.push([]);
    else if (token === ')') {
      const done = stack.pop() ?? [];
      if (stack.length === 0) throw new Error('one ) too many');
      stack.at(-1)?.push(done);
    } else stack.at(-1)?.push(token);
  }
  const [nodes, unclosed] = stack;
  if (nodes === undefined || unclosed !== undefined) throw new Error('a ( without )');
  return nodes;
}

function listOf(node: Node | undefined): readonly Node[] {
  if (node === undefined || typeof node === 'string') throw new Error(`a list was expected, not ${String(node)}`);
  return node;
}

function exportOf(field: readonly Node[]): string {
  const [, quoted] = field.find((each) => each[0] === 'export') ?? [];
  return quotedText(quoted);
}

function quotedText(node: Node | undefined): string {
  return String(node).replaceAll('"', '');
}

function typeOf(node: Node | undefined): number {
  const type = types[String(node)];
  if (type === undefined) throw new Error(`no type: ${String(node)}`);
  return type;
}

function indexOf(names: readonly string[], wanted: Node | undefined): number {
  const index = names.indexOf(String(wanted));
  if (index === -1) throw new Error(`nothing is called ${String(wanted)} here`);
  return index;
}

function section(id: number, items: readonly (readonly number[])[]): readonly number[] {
  const content = vector(items);
  return [id, ...leb(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): readonly number[] {
  return [...leb(items.length), ...items.flat()];
}

function name(text: string): readonly number[] {
  return vector([...Buffer.from(text)].map((byte) => [byte]));
}

/** LEB128, unsigned: seven bits a byte, the lowest first. */
function leb(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** LEB128, signed: the last byte's bit 6 is the sign. */
function signedLeb(value: number): readonly number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return done ? [low] : [low | 0x80, ...signedLeb(rest)];
}
