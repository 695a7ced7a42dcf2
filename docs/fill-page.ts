import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PAGES, ReaderShell } from '../test/docs/reader-shell.ts';
import { markedBlocks } from '../test/docs/readme-blocks.ts';
import { openBrowser } from '../test/support/browser.ts';

/**
 * Writes what pages' commands print into the pages, and the picture of a report beside this file, after a change of
 * either: `npm run docs:fill [PAGE...]`, and `npm run docs:fill docs/aws.md` with AWS_ENDPOINT_URL_S3, _STS and _SQS
 * naming emulators. A manager's usual port must be free.
 */
const ROOT = join(import.meta.dirname, '..');
/** Its job's report has causes, a retry and skipped tasks to show. */
const PAGE_OF_PICTURE = join(ROOT, 'docs/failures.md');
const PICTURE = join(import.meta.dirname, 'report.png');

async function takePicture(html: string): Promise<void> {
  const browser = await openBrowser();
  const page = await browser.newPage({ viewport: { width: 1280, height: 1700 }, colorScheme: 'light' });
  await page.goto(pathToFileURL(html).href);
  await page.screenshot({ path: PICTURE });
  await browser.close();
}

async function fill(path: string): Promise<void> {
  const page = readFileSync(path, 'utf8');
  const lines: (string | null)[] = page.split('\n');
  const printed = new Map<number, readonly string[]>();
  const shell = new ReaderShell(Object.fromEntries(ofAws));
  try {
    for (const block of markedBlocks(page)) {
      if (block.kind === 'file') shell.write(block.name, block.text);
      if (block.kind === 'script') await shell.sh(block.text);
      if (block.kind !== 'session') continue;
      for (const { line, text, output } of block.commands) {
        const { code, lines: now } = await shell.sh(text);
        if (code !== 0) throw new Error(`${path}:${line}: ${text} ended with ${code}:\n${now.join('\n')}`);
        lines.fill(null, line, line + output.length);
        printed.set(line - 1, now[0] === '' && now.length === 1 ? [] : now);
      }
    }
    if (path === PAGE_OF_PICTURE) await takePicture(join(shell.work, 'report.html'));
  } finally {
    await shell.remove();
  }
  const filled = lines.flatMap((line, at) => (line === null ? [] : [line, ...(printed.get(at) ?? [])]));
  writeFileSync(path, filled.join('\n'));
}

const ofAws = Object.entries(process.env).flatMap(([name, value]): [string, string][] =>
  name.startsWith('AWS_') && value !== undefined ? [[name, value]] : [],
);
const named = process.argv.slice(2);
for (const page of named.length > 0 ? named : Object.values(PAGES).flat()) await fill(resolve(ROOT, page));
