import { expect } from 'chai';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser } from '../browser.ts';
import { forEachTest, forSuite } from '../fixture.ts';
import { DashboardServer, type Opened } from './dashboard-server.ts';

interface Arranged {
  /** A manager for each test; otherwise one for the suite. */
  readonly each?: boolean;
  /** Prepares the workspace before a page is opened. */
  readonly arrange?: (server: DashboardServer) => Promise<void> | void;
}

/** A browser and a manager for a test suite. Faults of a page fail its test. */
export class DashboardSuite {
  readonly server: DashboardServer;
  readonly #browser = forSuite(() => openBrowser());
  readonly #tokens = new Map<string, string>();
  readonly #opened: Opened[] = [];

  /** Create it inside `describe`. */
  constructor({ each = false, arrange }: Arranged = {}) {
    this.server = (each ? forEachTest : forSuite)(() => DashboardServer.open());
    (each ? beforeEach : before)(async () => {
      this.#tokens.clear();
      await arrange?.(this.server);
    });
    afterEach(async () => {
      const faults = this.#opened.splice(0).flatMap(({ heard }) => heard.lines);
      // A page that stays open goes on asking for news, or for a manager that has ended.
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
  async look(hash = '', options: BrowserContextOptions = {}, token?: string | null): Promise<Opened> {
    const opened = await this.server.look(
      this.#browser,
      token === undefined ? await this.token() : token,
      options,
      hash,
    );
    this.#opened.push(opened);
    return opened;
  }
}

/** Presses the button of that name in the open dialog. */
export const answer = (page: Page, name: string): Promise<void> =>
  page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

/** Closes the dialog after its action is done. */
export async function closeDialog(page: Page): Promise<void> {
  await answer(page, 'Close');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Makes the page believe that its tab is behind another, or in front again: in a headless browser all tabs are in front. */
export async function putBehind(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
    document.dispatchEvent(new Event('visibilitychange'));
  `);
}
