import { pageBytes, scanKernel } from './scan-kernel.ts';
import { assembleModule } from './wat.ts';

/** See scan-kernel.ts. */
export interface Kernel {
  readonly memory: Memory;
  readonly find: (from: number, to: number) => number;
  readonly mark: (from: number, to: number) => void;
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** Assembled once, however many searches there are. */
let module: object | undefined;

export function startKernel(memoryBytes: number): Kernel {
  module ??= new WebAssembly.Module(assembleModule(scanKernel()));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / pageBytes) });
  const { find, mark } = new WebAssembly.Instance(module, { sieve: { memory } }).exports;
  return { memory, find, mark };
}

/** As much of Node's own as is used here: its types come without. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (size: { readonly initial: number }) => Memory;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Omit<Kernel, 'memory'> };
};
