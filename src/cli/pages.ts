import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package: in the source tree this file is two levels deep; bundled, it is in dist/. */
const ROOT = new URL(import.meta.url.endsWith('.ts') ? '../../' : '../', import.meta.url);

/**
 * Our own text, with the names of pages (`docs/notify.md`) as paths in this installation, so that a reader can open
 * them. A page that is not installed, as on workers, keeps its name.
 */
export function withPagePaths(text: string): string {
  return text.replace(/(?<![\w./-])docs\/[\w-]+[.]md\b/g, (name) => {
    const path = fileURLToPath(new URL(name, ROOT));
    return existsSync(path) ? path : name;
  });
}
