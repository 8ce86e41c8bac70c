/**
 * Reads the text of a shell script as far as it takes to know how each place in it is quoted, and which programs it names. Nothing is expanded.
 *
 * @see POSIX.1-2017, Shell Command Language, sections 2.2 (quoting), 2.6 (expansions), 2.7 (redirection)
 */

/** Stands in the text where a value will stand. A script cannot hold it otherwise. */
export const hole = '\0';

/** How a hole is quoted. `here`: in a here-document that expands variables. `unsure`: it cannot be told, or nothing could be put there. */
export type HolePlace = 'bare' | 'double' | 'single' | 'here' | 'comment' | 'unsure';

export interface HoleUse {
  readonly place: HolePlace;
  /** `target`: of a redirection. `command`: (a part of) the name of a program. */
  readonly use: 'command' | 'argument' | 'assignment' | 'target';
  /** The word up to the hole, its quotes removed. */
  readonly before: string;
  /** The words of the same command before this one; assignments are left out. */
  readonly words: readonly string[];
}

export interface ShellText {
  /** In the order of the holes in the text. */
  readonly holes: readonly HoleUse[];
  /** Of every command, its words without their quotes, assignments and redirections; reserved words stand first where they are one. */
  readonly commands: readonly (readonly string[])[];
  /** Files that redirections write to, their quotes removed. */
  readonly writes: readonly string[];
}

/** Substitutions within substitutions: nobody writes more than two. */
const maxDepth = 8;

/** What a command may follow. */
const openers: ReadonlySet<string> = new Set(['if', 'then', 'else', 'elif', 'while', 'until', 'do', '!', '{', 'time']);

interface Found {
  readonly holes: HoleUse[];
  readonly commands: (readonly string[])[];
  readonly writes: string[];
  /** Quotes and substitutions were closed wherever they were opened. */
  certain: boolean;
}

/** Never fails: where the text is not what a shell takes, every hole is `unsure`. */
export function readShell(text: string): ShellText {
  const found: Found = { holes: [], commands: [], writes: [], certain: true };
  new Reader(text, 0, found).commands(false);
  const { holes, commands, writes, certain } = found;
  if (certain) return { holes, commands, writes };
  const unsure: HoleUse = { place: 'unsure', use: 'argument', before: '', words: [] };
  return { holes: Array.from({ length: text.split(hole).length - 1 }, () => unsure), commands, writes };
}

interface HereDocument {
  readonly delimiter: string;
  readonly quoted: boolean;
  readonly tabs: boolean;
}

class Reader {
  readonly #text: string;
  readonly #depth: number;
  readonly #found: Found;
  #at = 0;
  #words: string[] = [];
  #word: string | undefined;
  /** Something of the word was quoted. */
  #quoted = false;
  #target: 'read' | 'write' | 'delimiter' | 'tabbed delimiter' | undefined;
  #documents: HereDocument[] = [];
  /** Expansions within expansions. */
  #level = 0;

  constructor(text: string, depth: number, found: Found) {
    this.#text = text;
    this.#depth = depth;
    this.#found = found;
    if (depth > maxDepth) found.certain = false;
  }

  /** Reads to the end, or (`substitution`) to the `)` that closes it. */
  commands(substitution: boolean): void {
    // A `)` ends a pattern of the innermost `case`, or the innermost `(`.
    const open: ('(' | 'case')[] = [];
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === '') {
        this.#endCommand(open);
        if (substitution || this.#documents.length > 0) this.#found.certain = false;
        return;
      }
      if (char === ')') {
        this.#endCommand(open);
        this.#at++;
        if (open.at(-1) === '(') open.pop();
        else if (open.length === 0 && substitution) return;
      } else if (char === '(') {
        this.#endCommand(open);
        this.#at++;
        open.push('(');
      } else if (char === '\n') {
        this.#endCommand(open);
        this.#at++;
        this.#readDocuments();
      } else if (char === ';' || char === '&' || char === '|') {
        this.#endCommand(open);
        this.#at++;
      } else if (char === ' ' || char === '\t') {
        this.#endWord(open);
        this.#at++;
      } else if (char === '#' && this.#word === undefined) this.#comment();
      else if (char === '<' || char === '>') this.#redirection(char, open);
      else this.#part(char);
    }
  }

  /** One piece of a word outside of quotes. */
  #part(char: string): void {
    if (char === '\\') {
      const next = this.#text.charAt(this.#at + 1);
      this.#at += next === hole ? 1 : 2;
      if (next === hole) this.#hole('unsure');
      else if (next !== '\n') this.#append(next, true);
    } else if (char === "'") this.#single();
    else if (char === '"') {
      this.#at++;
      this.#double('"');
    } else if (char === '`') this.#backquoted(false);
    else if (char === '$') this.#dollar(false);
    else if (char === hole) this.#hole('bare');
    else {
      this.#at++;
      this.#append(char);
    }
  }

  #append(text: string, quoted = false): void {
    this.#word = (this.#word ?? '') + text;
    this.#quoted ||= quoted;
  }

  #hole(place: HolePlace): void {
    const word = this.#word ?? '';
    const assigns = this.#words.length === 0 && /^[A-Za-z_]\w*=/.test(word);
    const use = this.#target !== undefined ? 'target' : assigns ? 'assignment' : this.#words.length === 0 ? 'command' : 'argument';
    this.#found.holes.push({ place, use, before: assigns ? word.slice(word.indexOf('=') + 1) : word, words: [...this.#words] });
    this.#at++;
    this.#append(hole);
  }

  #single(): void {
    this.#append('', true);
    for (this.#at++; ; ) {
      const char = this.#text.charAt(this.#at);
      if (char === hole) this.#hole('single');
      else {
        this.#at++;
        if (char === "'") return;
        if (char === '') {
          this.#found.certain = false;
          return;
        }
        this.#append(char);
      }
    }
  }

  /** @param end the closing quote; the empty string for a here-document, which has none */
  #double(end: '"' | ''): void {
    this.#append('', true);
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === hole) this.#hole(end === '' ? 'here' : 'double');
      else if (char === '`') this.#backquoted(end === '"');
      else if (char === '$') this.#dollar(true);
      else if (char === '\\') {
        const next = this.#text.charAt(this.#at + 1);
        if (next === hole) {
          this.#at++;
          this.#append(char);
          this.#hole('unsure');
        } else {
          this.#at += 2;
          if (next !== '\n') this.#append(/[$`"\\]/.test(next) ? next : char + next);
        }
      } else {
        this.#at++;
        if (char === end) return;
        if (char === '') {
          this.#found.certain = false;
          return;
        }
        this.#append(char);
      }
    }
  }

  /** What stands between back quotes is a script of its own, one backslash taken off before `$`, back quotes and backslashes. */
  #backquoted(withinDouble: boolean): void {
    let inner = '';
    for (this.#at++; ; ) {
      const char = this.#text.charAt(this.#at);
      const next = this.#text.charAt(this.#at + 1);
      if (char === '\\' && (/[$`\\]/.test(next) || (withinDouble && next === '"'))) {
        inner += next;
        this.#at += 2;
        continue;
      }
      this.#at++;
      if (char === '`') break;
      if (char === '') {
        this.#found.certain = false;
        break;
      }
      inner += char;
    }
    new Reader(inner, this.#depth + 1, this.#found).commands(false);
    this.#append('$()');
  }

  #dollar(withinDouble: boolean): void {
    if (++this.#level > maxDepth) {
      this.#found.certain = false;
      this.#at = this.#text.length;
    } else this.#expansion(withinDouble);
    this.#level--;
  }

  #expansion(withinDouble: boolean): void {
    const next = this.#text.charAt(this.#at + 1);
    // A quote with escapes of its own in bash, an ordinary one in dash.
    if (next === "'" && !withinDouble) this.#found.certain = false;
    if (next === '{') {
      this.#at += 2;
      this.#parameter(withinDouble);
    } else if (next === '(' && this.#text.charAt(this.#at + 2) === '(') this.#arithmetic();
    else if (next === '(') {
      const inner = new Reader(this.#text, this.#depth + 1, this.#found);
      inner.#at = this.#at + 2;
      if (this.#depth < maxDepth) inner.commands(true);
      this.#at = inner.#at;
      this.#append('$()');
    } else {
      this.#at++;
      this.#append('$');
    }
  }

  /** `${name:-word}`: what a value would do in there depends on too much. */
  #parameter(withinDouble: boolean): void {
    this.#append('${}');
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === hole) this.#hole('unsure');
      else if (char === '\\') this.#at += this.#text.charAt(this.#at + 1) === hole ? 1 : 2;
      else if (char === "'" && !withinDouble) this.#single();
      else if (char === '"') {
        this.#at++;
        this.#double('"');
      } else if (char === '`') this.#backquoted(withinDouble);
      else if (char === '$') this.#dollar(withinDouble);
      else {
        this.#at++;
        if (char === '}') return;
        if (char === '') {
          this.#found.certain = false;
          return;
        }
      }
    }
  }

  /** A shell evaluates what variables hold in there; bash even runs commands that stand in a subscript. */
  #arithmetic(): void {
    this.#append('$()');
    this.#at += 3;
    for (let depth = 2; depth > 0; ) {
      const char = this.#text.charAt(this.#at);
      if (char === hole) this.#hole('unsure');
      else if (char === '`') this.#backquoted(false);
      else if (char === '$') this.#dollar(true);
      else {
        this.#at++;
        if (char === '(') depth++;
        if (char === ')') depth--;
        // Quotes: perhaps it was a subshell within a substitution.
        if (char === '' || /['"\\\n#]/.test(char)) {
          this.#found.certain = false;
          if (char === '') return;
        }
      }
    }
  }

  #comment(): void {
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === '' || char === '\n') return;
      if (char === hole) {
        this.#hole('comment');
        this.#word = undefined;
      } else this.#at++;
    }
  }

  #redirection(char: string, open: ('(' | 'case')[]): void {
    // The number of a descriptor is no word.
    if (this.#word !== undefined && /^\d+$/.test(this.#word) && !this.#quoted) this.#word = undefined;
    else this.#endWord(open);
    const [operator = char] = /^(?:<<<|<<-|<<|<&|<>|>>|>&|>\||<|>)/.exec(this.#text.slice(this.#at, this.#at + 3)) ?? [];
    this.#at += operator.length;
    this.#target =
      operator === '<<' ? 'delimiter' : operator === '<<-' ? 'tabbed delimiter' : /^(?:>|>>|>\||<>)$/.test(operator) ? 'write' : 'read';
  }

  #endWord(open: ('(' | 'case')[]): void {
    const word = this.#word;
    if (word === undefined) return;
    const [target, quoted] = [this.#target, this.#quoted];
    this.#word = undefined;
    this.#target = undefined;
    this.#quoted = false;
    if (target === 'delimiter' || target === 'tabbed delimiter') {
      this.#documents.push({ delimiter: word, quoted, tabs: target === 'tabbed delimiter' });
    } else if (target === 'write') this.#found.writes.push(word);
    else if (target === undefined && (this.#words.length > 0 || !/^[A-Za-z_]\w*=/.test(word))) {
      if (this.#words.length === 0 && !quoted) {
        if (openers.has(word)) return;
        if (word === 'case') open.push('case');
        if (word === 'esac' && open.at(-1) === 'case') open.pop();
      }
      this.#words.push(word);
    }
  }

  #endCommand(open: ('(' | 'case')[]): void {
    this.#endWord(open);
    this.#target = undefined;
    if (this.#words.length > 0) this.#found.commands.push(this.#words);
    this.#words = [];
  }

  #readDocuments(): void {
    const documents = this.#documents;
    this.#documents = [];
    for (const { delimiter, quoted, tabs } of documents) {
      let body = '';
      for (;;) {
        const end = this.#text.indexOf('\n', this.#at);
        const line = this.#text.slice(this.#at, end === -1 ? undefined : end + 1);
        this.#at += line.length;
        const bare = tabs ? line.replace(/^\t+/, '') : line;
        if (bare.replace(/\n$/, '') === delimiter && line !== '') break;
        if (end === -1) {
          this.#found.certain = false;
          break;
        }
        body += line;
      }
      if (quoted) {
        for (const _ of body.matchAll(/\0/g)) this.#found.holes.push({ place: 'unsure', use: 'argument', before: '', words: [] });
      } else new Reader(body, this.#depth + 1, this.#found).#document();
    }
  }

  #document(): void {
    this.#words = ['<<'];
    this.#double('');
  }
}
