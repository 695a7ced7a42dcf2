/** The parts of a page that can be tried: fenced blocks whose first line says `run` or `file=NAME`, in order. */
export type Block =
  /** A file that the reader should write. */
  | { readonly kind: 'file'; readonly line: number; readonly name: string; readonly text: string }
  /** A script without shown output. */
  | { readonly kind: 'script'; readonly line: number; readonly text: string }
  /** Commands after `$ `, each with the output that the page shows. */
  | {
      readonly kind: 'session';
      readonly line: number;
      readonly checked: boolean;
      readonly commands: readonly Command[];
    };

export interface Command {
  readonly line: number;
  readonly text: string;
  readonly output: readonly string[];
}

const FENCE = /^```(\S*)(?: (.*))?$/;

/** The marked blocks of a page. Lines count from 1. */
export function markedBlocks(page: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = page.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const fence = FENCE.exec(lines[at] ?? '');
    if (fence === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`the block of line ${at + 1} has no end`);
    const block = blockOf(fence[1] ?? '', (fence[2] ?? '').split(' '), lines.slice(at + 1, end), at + 1);
    if (block !== null) blocks.push(block);
    at = end;
  }
  return blocks;
}

function blockOf(language: string, marks: readonly string[], body: readonly string[], line: number): Block | null {
  const name = marks.find((mark) => mark.startsWith('file='))?.slice('file='.length);
  const text = `${body.join('\n')}\n`;
  if (name !== undefined) return { kind: 'file', line, name, text };
  if (!marks.includes('run')) return null;
  if (language !== 'console') return { kind: 'script', line, text };
  return { kind: 'session', line, checked: !marks.includes('unchecked'), commands: commandsIn(body, line) };
}

function commandsIn(body: readonly string[], above: number): readonly Command[] {
  const starts = body.flatMap((text, index) => (text.startsWith('$ ') ? [index] : []));
  return starts.map((start, n) => ({
    line: above + 1 + start,
    text: (body[start] ?? '').slice(2),
    output: body.slice(start + 1, starts[n + 1] ?? body.length),
  }));
}

/** Ids, times and hosts differ in each run; and the progress of a job depends on the machine. */
const VOLATILE: readonly (readonly [RegExp, string])[] = [
  [/-\d{8}-\d{4}-[a-z2-7]{5}\b/g, '-ID'],
  [/\bw-[a-z2-7]{10}\b/g, 'WORKER'],
  [/\bsha256:[0-9a-f]{64}\b/g, 'HASH'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( [A-Z]+)?/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'],
  [/\b\d+ slots?\b/g, 'SLOTS'],
  [/\S+@\S+/g, 'WHO'],
  [/\b(\d+(\.\d+)?(ms|s|m|h|d))+\b( ago)?/g, 'DURATION'],
  // In a column.
  [/(?<= {2})now(?= {2})/g, 'DURATION'],
  [/\b\d+(\.\d+)?[kKMG]?B\/s/g, 'RATE'],
  [/\s+/g, ' '],
];
const PROGRESS = /^[\w-]+ [\d,]+\/[\d,]+( \(.*?\))?(, [\w-]+ [\d,]+\/[\d,]+( \(.*?\))?)*( · .*)?$/;

/** The part of an output that is the same in each run. */
export function lasting(output: readonly string[]): readonly string[] {
  return output
    .filter((line) => !PROGRESS.test(line))
    .map((line) => VOLATILE.reduce((text, [pattern, word]) => text.replace(pattern, word), line).trim())
    .filter((line) => line !== '');
}

/** What a page tells its reader to do, in its order: files to write, and commands to run. */
export type Instruction =
  | { readonly kind: 'file'; readonly line: number; readonly name: string; readonly text: string }
  /** `output`: what the page shows below it; null: nothing that a test compares. */
  | {
      readonly kind: 'command';
      readonly line: number;
      readonly text: string;
      readonly output: readonly string[] | null;
    };

/** The files of a page and all its commands: of blocks of shell, whether marked or not, and of its text (`batchctl ...`). */
export function instructionsOf(page: string): readonly Instruction[] {
  const blocks = new Map(markedBlocks(page).map((block) => [block.line, block]));
  return [...page.matchAll(/^```(\S*)[^\n]*\n(.*?)^```$|`(batchctl [^`]+)`/gms)].flatMap(
    (found): readonly Instruction[] => {
      const [, language = '', body = '', inline] = found;
      const line = page.slice(0, found.index).split('\n').length;
      if (inline !== undefined) return [{ kind: 'command', line, text: inline.replace(/\s+/g, ' '), output: null }];
      const block = blocks.get(line);
      if (block?.kind === 'file') return [block];
      if (block?.kind === 'script') return [{ kind: 'command', line, text: block.text.trimEnd(), output: null }];
      const lines = body.trimEnd().split('\n');
      if (language === 'console') {
        const checked = block?.kind === 'session' && block.checked;
        return commandsIn(lines, line).map(({ output, ...command }) => {
          return { kind: 'command' as const, ...command, output: checked ? output : null };
        });
      }
      if (language !== 'sh') return [];
      return lines.map((text, at) => {
        return { kind: 'command', line: line + 1 + at, text: text.replace(/\s+# .*$/, ''), output: null };
      });
    },
  );
}
