import type { RegexTree } from './regex-tree.ts';

export function isLinear(tree: RegexTree): boolean {
  return tree.groups < 0;
}
