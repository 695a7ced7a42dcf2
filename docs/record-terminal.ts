import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReaderShell } from '../test/docs/reader-shell.ts';
import { markedBlocks } from '../test/docs/readme-blocks.ts';

/**
 * Types the README's commands into a real terminal and records it: `npm run docs:record [DIRECTORY]` writes
 * recording.cast (asciinema's format, version 2) and recording.svg, its last screen, beside this file or there.
 */
const COLUMNS = 100;
const ROWS = 30;
const TITLE = 'batchctl: the README, typed';
/** Seconds. A viewer waits no longer than this for the next change, however slow the machine was. */
const LONGEST_PAUSE = 0.8;
const KEYSTROKE = 0.025;
const PROMPT = '\x1b[1;32m$\x1b[0m ';

/** Seconds since the beginning, "o" for output, text. */
type CastEvent = readonly [number, 'o', string];

async function record(page: string): Promise<readonly CastEvent[]> {
  const events: CastEvent[] = [];
  let at = 0;
  const show = (text: string, after: number): void => {
    at += Math.min(after, LONGEST_PAUSE);
    events.push([Math.round(at * 1000) / 1000, 'o', text]);
  };
  const shell = new ReaderShell();
  try {
    for (const block of markedBlocks(page)) {
      if (block.kind === 'file') shell.write(block.name, block.text);
      if (block.kind === 'script') await shell.sh(block.text);
      if (block.kind !== 'session') continue;
      for (const { text } of block.commands) {
        show(PROMPT, LONGEST_PAUSE);
        for (const key of text) show(key, KEYSTROKE);
        show('\r\n', KEYSTROKE);
        await type(shell, text, show);
      }
    }
    show(PROMPT, LONGEST_PAUSE);
    return events;
  } finally {
    await shell.remove();
  }
}

/** Runs a line in a terminal of its own, and passes on what appears there. */
async function type(shell: ReaderShell, line: string, show: (text: string, after: number) => void): Promise<void> {
  const script = `stty cols ${COLUMNS} rows ${ROWS} </dev/tty\n${line}`;
  const child = spawn('script', ['--quiet', '--return', '--command', script, '/dev/null'], {
    cwd: shell.work,
    env: { ...shell.env, TERM: 'xterm-256color', SHELL: '/bin/sh' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = performance.now();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const now = performance.now();
    show(text, (now - last) / 1000);
    last = now;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${line} ended with ${code}`);
}

function castOf(events: readonly CastEvent[]): string {
  const header = { version: 2, width: COLUMNS, height: ROWS, title: TITLE, env: { TERM: 'xterm-256color' } };
  return `${[header, ...events].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

interface Cell {
  readonly text: string;
  readonly style: string;
}

/** SGR codes as SVG attributes; a code that is absent changes nothing here. */
const STYLES: Readonly<Record<string, string>> = {
  1: 'font-weight="bold"',
  2: 'opacity="0.6"',
  31: 'fill="#f47067"',
  32: 'fill="#57ab5a"',
  33: 'fill="#c69026"',
  34: 'fill="#539bf5"',
  36: 'fill="#39c5cf"',
};
/** What ends a code's effect. */
const ENDS: Readonly<Record<string, readonly string[]>> = { 22: ['1', '2'], 39: ['31', '32', '33', '34', '36'] };

/** The screen after all output: a terminal of the few sequences that batchctl uses. Throws on any other. */
function screenOf(output: string): readonly (readonly Cell[])[] {
  const rows: Cell[][] = [[]];
  let [row, column] = [0, 0];
  let active: readonly string[] = [];
  const top = (): number => Math.max(0, rows.length - ROWS);
  const moveTo = (to: number): void => {
    row = to;
    while (rows.length <= row) rows.push([]);
  };
  const put = (text: string): void => {
    if (column === COLUMNS) {
      moveTo(row + 1);
      column = 0;
    }
    const cells = rows[row] ?? [];
    while (cells.length < column) cells.push({ text: ' ', style: '' });
    cells[column] = { text, style: active.map((code) => STYLES[code] ?? '').join(' ') };
    column += 1;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's sequences begin with one.
  for (const [token, parameters = '', command] of output.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|[\s\S]/gu)) {
    const count = Number(parameters) || 1;
    if (command === 'm') {
      for (const code of (parameters || '0').split(';')) {
        const ended = ENDS[code] ?? (code === '0' ? active : []);
        active = [...active.filter((other) => !ended.includes(other)), ...(code in STYLES ? [code] : [])];
      }
    } else if (command === 'A' || command === 'F') {
      row = Math.max(top(), row - count);
      if (command === 'F') column = 0;
    } else if (command === 'G') column = count - 1;
    else if (command === 'K' || command === 'J') {
      rows[row]?.splice(column);
      if (command === 'J') rows.splice(row + 1);
    } else if (command === 'h' || command === 'l') continue;
    else if (token === '\r') column = 0;
    else if (token === '\n') moveTo(row + 1);
    else if (command !== undefined || token < ' ') throw new Error(`the screen cannot show ${JSON.stringify(token)}`);
    else put(token);
  }
  return rows.slice(top());
}

/** A still picture of a screen. */
function svgOf(screen: readonly (readonly Cell[])[]): string {
  const [cellWidth, lineHeight, margin] = [8.4, 18, 16];
  const width = COLUMNS * cellWidth + 2 * margin;
  const height = ROWS * lineHeight + 2 * margin;
  const lines = screen.map((cells, row) => {
    const runs: { text: string; style: string }[] = [];
    for (const { text, style } of cells) {
      const run = runs.at(-1);
      if (run?.style === style) run.text += text;
      else runs.push({ text, style });
    }
    const spans = runs.map(({ text, style }) =>
      style === '' ? escaped(text) : `<tspan ${style}>${escaped(text)}</tspan>`,
    );
    const length = (cells.length * cellWidth).toFixed(1);
    return `<text x="${margin}" y="${margin + (row + 0.75) * lineHeight}" textLength="${length}">${spans.join('')}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#d1d7e0">
<title>${TITLE}</title>
<rect width="100%" height="100%" rx="8" fill="#212830"/>
${lines.filter((line) => !line.includes('textLength="0.0"')).join('\n')}
</svg>
`;
}

/** Spaces that no viewer collapses. */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0');

const directory = process.argv[2] ?? import.meta.dirname;
const events = await record(readFileSync(join(import.meta.dirname, '../README.md'), 'utf8'));
writeFileSync(join(directory, 'recording.cast'), castOf(events));
writeFileSync(join(directory, 'recording.svg'), svgOf(screenOf(events.map(([, , text]) => text).join(''))));
