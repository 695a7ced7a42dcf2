import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { JobStatus } from '../../../src/model/answers/status.ts';
import type { Scope } from '../../../src/model/api.ts';
import { openPage } from '../browser.ts';
import { until } from '../until.ts';
import { type Running, Workspace } from '../workspace.ts';

/** Faults of a page: errors and warnings on its console, and requests to other origins. */
class PageFaults {
  readonly #all: string[] = [];
  /** Calls that fail on purpose leave a line on the console. Lines that match are ignored, earlier ones too. */
  allow: RegExp | null = null;

  add(line: string): void {
    this.#all.push(line);
  }

  get lines(): readonly string[] {
    return this.#all.filter((line) => this.allow?.test(line) !== true);
  }
}

export interface OpenedPage {
  readonly page: Page;
  readonly faults: PageFaults;
}

/** A manager started as a person starts it, in a directory of its own, and browsers that open its page. */
export class DashboardServer {
  readonly workspace = new Workspace();
  #manager: Running | null = null;
  #port = 0;

  static async open(): Promise<DashboardServer> {
    const server = new DashboardServer();
    await server.start();
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts the manager; a second time, at the same port. */
  async start(): Promise<void> {
    const manager = this.workspace.start(['manager', '--listen', `127.0.0.1:${this.#port}`, '--json']);
    this.#manager = manager;
    const [, port] = await until('the manager listens', () => /http:\/\/127\.0\.0\.1:(\d+)/.exec(manager.printed()));
    this.#port = Number(port);
  }

  /** Kills the manager like `kill -9`. */
  async kill(): Promise<void> {
    this.#manager?.child.kill('SIGKILL');
    await this.#manager?.ended;
    this.#manager = null;
  }

  /** Creates a token on the command line. */
  token(scope: Scope, name = `${scope}-token`): Promise<string> {
    return this.workspace.token(name, scope);
  }

  async revoke(name: string): Promise<void> {
    await this.workspace.runSuccessfully('manager', 'token', 'revoke', name, '--yes');
  }

  async status(job: string): Promise<JobStatus> {
    return JSON.parse((await this.workspace.runSuccessfully('status', job, '--json')).stdout) as JobStatus;
  }

  /** Opens the page and signs in if a token is given. */
  async openPage(
    browser: Browser,
    token: string | null,
    options: BrowserContextOptions = {},
    hash = '',
  ): Promise<OpenedPage> {
    // An animation is drawn again sixty times a second.
    const page = await openPage(browser, { timezoneId: 'Europe/London', reducedMotion: 'reduce', ...options });
    const faults = collectFaults(page, this.address);
    await page.goto(`${this.address}/${hash}`);
    if (token !== null) await signIn(page, token);
    return { page, faults };
  }

  close(): Promise<void> {
    return this.workspace.remove();
  }
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

function collectFaults(page: Page, address: string): PageFaults {
  const faults = new PageFaults();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.add(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.add(`pageerror: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${address}/`)) faults.add(`request: ${request.url()}`);
  });
  return faults;
}
