import { expect } from 'chai';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser } from '../browser.ts';
import { forEachTest, forSuite } from '../fixture.ts';
import { DashboardServer, type OpenedPage } from './dashboard-server.ts';

interface SuiteOptions {
  /** A manager for each test; otherwise one for the suite. */
  readonly each?: boolean;
  /** Prepares the workspace before a page is opened. */
  readonly prepare?: (server: DashboardServer) => Promise<void> | void;
}

/** A browser and a manager for a test suite. Faults of a page fail its test. */
export class DashboardSuite {
  readonly server: DashboardServer;
  readonly #browser = forSuite(() => openBrowser());
  readonly #tokens = new Map<string, string>();
  readonly #opened: OpenedPage[] = [];

  /** Create it inside `describe`. */
  constructor({ each = false, prepare }: SuiteOptions = {}) {
    this.server = (each ? forEachTest : forSuite)(() => DashboardServer.open());
    (each ? beforeEach : before)(async () => {
      this.#tokens.clear();
      await prepare?.(this.server);
    });
    afterEach(async () => {
      const faults = this.#opened.splice(0).flatMap((opened) => opened.faults.lines);
      // A page that stays open keeps asking for news, or for a manager that has ended.
      await Promise.all(this.#browser.contexts().map((context) => context.close()));
      expect(faults, 'faults of the page, unless the test allows them').to.deep.equal([]);
    });
  }

  /** An operator's token, the same for all pages. */
  async token(name = 'anna'): Promise<string> {
    const token = this.#tokens.get(name) ?? (await this.server.token('operate', name));
    this.#tokens.set(name, token);
    return token;
  }

  /** Opens the page in a browser context of its own, signed in as an operator unless a token is given; null stays at the sign-in. */
  async open(hash = '', options: BrowserContextOptions = {}, token?: string | null): Promise<OpenedPage> {
    const held = token === undefined ? await this.token() : token;
    const opened = await this.server.openPage(this.#browser, held, options, hash);
    this.#opened.push(opened);
    return opened;
  }

  /** Shows another view in an open page: the address after `#/`. */
  async goTo(page: Page, view: string): Promise<void> {
    await page.goto(`${this.server.address}/#/${view}`);
  }
}

export const waitUntilLive = (page: Page): Promise<void> => page.getByText('live', { exact: true }).waitFor();

/** Presses the button of that name in the open dialog. */
export const pressInDialog = (page: Page, name: string): Promise<void> =>
  page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

/** Closes the dialog after its action is done. */
export async function closeDialog(page: Page): Promise<void> {
  await pressInDialog(page, 'Close');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Presses the button in the open dialog, waits for the result, and closes the dialog. */
export async function confirmAction(page: Page, name: string, result: string | RegExp): Promise<void> {
  await pressInDialog(page, name);
  await page.getByRole('dialog').getByText(result).last().waitFor();
  await closeDialog(page);
}

/** Makes the page believe that its tab is hidden, or visible again: in a headless browser all tabs are visible. */
export async function setTabHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
    document.dispatchEvent(new Event('visibilitychange'));
  `);
}
