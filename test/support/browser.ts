import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { installed } from './run/lacking.ts';

/** Where screenshots are kept; CI keeps this directory. */
const SCREENSHOTS = fileURLToPath(new URL('../../.ci/artifacts/screenshots/', import.meta.url));

/** Milliseconds that something may take to appear on a page. */
const WAIT = 120_000;

/** Starts a headless Chromium: the shell, which draws the same pixels as the whole browser with half the CPU. */
export async function openBrowser(): Promise<Browser> {
  // Without a graphics card it would emulate one.
  const args = ['--disable-gpu'];
  // Its sandbox refuses root.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return chromium.launch({ executablePath: installed('chromium-headless-shell'), args });
}

/** A page of its own, which waits generously: the machine may be busy. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(WAIT);
  return context.newPage();
}

/** Saves the whole page among CI's artifacts, to be looked at. */
export async function savePicture(page: Page, name: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { cssContentSize } = await session.send('Page.getLayoutMetrics');
  // The gutter of a scrollbar is no content.
  const width = Math.max(cssContentSize.width, page.viewportSize()?.width ?? 0);
  // Playwright's own screenshot packs as small as it can, which takes longer than drawing.
  const { data } = await session.send('Page.captureScreenshot', {
    ...{ format: 'png', optimizeForSpeed: true, captureBeyondViewport: true },
    clip: { ...cssContentSize, width, scale: 1 },
  });
  await session.detach();
  writeFileSync(screenshotPath(name), Buffer.from(data, 'base64'));
}

/** The path of a screenshot or printed page. */
export function screenshotPath(name: string): string {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return join(SCREENSHOTS, name);
}
