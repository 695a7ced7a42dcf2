import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from '../../src/manager/http/openapi/document.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

export const API_PAGE = join(import.meta.dirname, '../../docs/api.md');

interface Operation {
  readonly summary: string;
  readonly 'x-scope'?: string;
  readonly 'x-scope-with'?: Readonly<Record<string, string>>;
}

/** The page, with the document's current paths in its table. */
export async function apiPage(): Promise<string> {
  const { paths } = openApiDocument(await describedVerbs()) as { paths: Record<string, Record<string, Operation>> };
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const call = `\`${method.toUpperCase()} ${path}\``;
      return `| ${call} | ${scopeText(path, operation)} | ${operation.summary.replaceAll('|', '\\|')} |`;
    }),
  );
  const table = ['| call | scope | |', '| --- | --- | --- |', ...rows].join('\n');
  const [begin, end] = ['<!-- paths: made by `npm run api` -->\n', '<!-- end -->'];
  const page = readFileSync(API_PAGE, 'utf8');
  return `${page.slice(0, page.indexOf(begin) + begin.length)}${table}\n${page.slice(page.indexOf(end))}`;
}

function scopeText(path: string, operation: Operation): string {
  if (path === '/healthz') return 'anyone';
  const more = Object.values(operation['x-scope-with'] ?? {}).filter((scope, at, all) => all.indexOf(scope) === at);
  return [operation['x-scope'] ?? "the verb's", ...more].join(', ');
}
