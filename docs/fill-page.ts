import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Desk } from '../test/docs/desk.ts';
import { markedBlocks } from '../test/docs/readme-blocks.ts';
import { openBrowser } from '../test/support/browser.ts';

/**
 * Writes what a page's commands print into the page, and the picture of the README's report beside this file, after a
 * change of either: `npm run docs:fill`, and `npm run docs:fill docs/aws.md` with AWS_ENDPOINT_URL_S3, _STS and _SQS
 * naming emulators.
 */
const PAGE = process.argv[2] ?? join(import.meta.dirname, '../README.md');
const PICTURE = join(import.meta.dirname, 'report.png');

async function takePicture(html: string): Promise<void> {
  const browser = await openBrowser();
  const page = await browser.newPage({ viewport: { width: 1280, height: 1700 }, colorScheme: 'light' });
  await page.goto(pathToFileURL(html).href);
  await page.screenshot({ path: PICTURE });
  await browser.close();
}

const page = readFileSync(PAGE, 'utf8');
const lines: (string | null)[] = page.split('\n');
const printed = new Map<number, readonly string[]>();
const ofAws = Object.entries(process.env).flatMap(([name, value]): [string, string][] =>
  name.startsWith('AWS_') && value !== undefined ? [[name, value]] : [],
);
const desk = new Desk(Object.fromEntries(ofAws));
try {
  for (const block of markedBlocks(page)) {
    if (block.kind === 'file') desk.write(block.name, block.text);
    if (block.kind === 'script') await desk.sh(block.text);
    if (block.kind !== 'session') continue;
    for (const { line, text, output } of block.commands) {
      const { code, lines: now } = await desk.sh(text);
      if (code !== 0) throw new Error(`line ${line}: ${text} ended with ${code}:\n${now.join('\n')}`);
      lines.fill(null, line, line + output.length);
      printed.set(line - 1, now[0] === '' && now.length === 1 ? [] : now);
    }
  }
  const report = join(desk.work, 'report.html');
  if (existsSync(report)) await takePicture(report);
} finally {
  await desk.remove();
}
const filled = lines.flatMap((line, at) => (line === null ? [] : [line, ...(printed.get(at) ?? [])]));
writeFileSync(PAGE, filled.join('\n'));
