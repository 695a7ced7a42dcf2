import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const LAYOUT_PAGE = join(import.meta.dirname, '../../docs/layout.md');

interface ImportRule {
  readonly name: string;
  readonly comment?: string;
}

const MARKS = ['<!-- imports: made by `npm run docs` from .dependency-cruiser.cjs -->\n', '<!-- end -->'] as const;

/** The page, with the table of allowed imports as `npm run check:imports` enforces them. */
export function layoutPage(): string {
  const rules = createRequire(import.meta.url)('../../.dependency-cruiser.cjs') as { forbidden: readonly ImportRule[] };
  const rows = rules.forbidden.flatMap(({ comment }) => {
    const found = /^(\w+) (?:may import|imports nothing but) (.*)$/.exec(comment ?? '');
    return found === null ? [] : [`| \`${found[1]}\` | ${found[2]} |`];
  });
  const page = readFileSync(LAYOUT_PAGE, 'utf8');
  const [begin, end] = [page.indexOf(MARKS[0]) + MARKS[0].length, page.indexOf(MARKS[1])];
  return `${page.slice(0, begin)}| folder | may import, besides itself |\n|---|---|\n${rows.join('\n')}\n${page.slice(end)}`;
}
