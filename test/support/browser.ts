import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';

/** Where screenshots are kept; CI keeps this directory. */
const SCREENSHOTS = fileURLToPath(new URL('../../.ci/artifacts/screenshots/', import.meta.url));

/** Debian's Chromium on the PATH; null where there is none. */
function chromiumPath(): string | null {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'chromium'));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts a headless Chromium; null where there is none, which under CI is an error. */
export async function openBrowser(): Promise<Browser | null> {
  const executablePath = chromiumPath();
  if (executablePath === null) {
    if (process.env.CI) throw new Error('expected chromium on the PATH: apt-get install chromium');
    return null;
  }
  // Its sandbox refuses root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

/** The path of a screenshot or printed page, to be looked at. */
export function screenshotPath(name: string): string {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return join(SCREENSHOTS, name);
}
