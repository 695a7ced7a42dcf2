import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { savePicture } from '../browser.ts';

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Accessibility violations that axe-core finds on the page, one per line, and one if the page is wider than the screen. */
export async function layoutFaults(page: Page): Promise<readonly string[]> {
  const width = await widthFault(page);
  return [...(await axeFaults(page)), ...(width === null ? [] : [width])];
}

async function axeFaults(page: Page): Promise<readonly string[]> {
  // The page's policy blocks added scripts, but not what the debugger evaluates.
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(axe.source);
  const violations = await page.evaluate<readonly Violation[]>(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary ?? ''}`),
  );
}

/** Whether the page is wider than the screen; only logs may scroll sideways. */
export function widthFault(page: Page): Promise<string | null> {
  return page.evaluate<string | null>(
    `document.documentElement.scrollWidth > innerWidth
      ? document.documentElement.scrollWidth + ' wide on a screen of ' + innerWidth : null`,
  );
}

/** Saves a picture of the page among CI's artifacts. */
export const keepPicture = (page: Page, name: string): Promise<void> => savePicture(page, `dashboard-${name}.png`);

/** A page's memory after garbage collection: bytes of JavaScript, nodes, listeners. */
export async function heapOf(page: Page): Promise<Readonly<Record<'bytes' | 'nodes' | 'listeners', number>>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  for (let turn = 0; turn < 3; turn += 1) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0;
  return { bytes: of('JSHeapUsedSize'), nodes: of('Nodes'), listeners: of('JSEventListeners') };
}
