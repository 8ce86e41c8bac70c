import { pageBytes, scanKernel } from './scan-kernel.ts';
import { assembleModule } from './wat.ts';

/** See scan-kernel.ts. */
export interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly find: (from: number, to: number) => number;
  readonly mark: (from: number, to: number) => void;
}

export function startKernel(memoryBytes: number): Kernel {
  const text = scanKernel(Math.ceil(memoryBytes / pageBytes));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assembleModule(text)));
  return exports;
}

/** As much of Node's own as is used here: its types come without. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Kernel };
};
