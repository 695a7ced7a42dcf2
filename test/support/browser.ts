import { mkdirSync } from 'node:fs';
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

/** The path of a screenshot or printed page, to be looked at. */
export function screenshotPath(name: string): string {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return join(SCREENSHOTS, name);
}
