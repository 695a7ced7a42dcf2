import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { installed } from './run/lacking.ts';

const SCREENSHOTS = fileURLToPath(new URL('../../.ci/artifacts/screenshots/', import.meta.url));

/** Milliseconds that something may take to appear on a page. */
const TIMEOUT = 120_000;

/** Starts a headless Chromium. The shell draws the same pixels as the full browser with half the CPU. */
export async function openBrowser(): Promise<Browser> {
  // Without a graphics card, Chromium would emulate one.
  const args = ['--disable-gpu'];
  // Chromium's sandbox refuses root.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return chromium.launch({ executablePath: installed('chromium-headless-shell'), args });
}

/** A page with a context of its own and a generous timeout, because the machine may be busy. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(TIMEOUT);
  return context.newPage();
}

/** Saves a screenshot of the whole page among CI's artifacts, for people. */
export async function savePicture(page: Page, name: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { cssContentSize } = await session.send('Page.getLayoutMetrics');
  // The content's size excludes the gutter of a scrollbar.
  const width = Math.max(cssContentSize.width, page.viewportSize()?.width ?? 0);
  // Playwright's own screenshot compresses as much as possible, which takes longer than drawing.
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'png',
    optimizeForSpeed: true,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, width, scale: 1 },
  });
  await session.detach();
  writeFileSync(screenshotPath(name), Buffer.from(data, 'base64'));
}

export function screenshotPath(name: string): string {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return join(SCREENSHOTS, name);
}
