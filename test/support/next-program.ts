import { appendFileSync, cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Workspace } from './workspace.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Copies the built program into a workspace, with one more line, so that it is another release. Returns its entry. */
export function nextProgram(workspace: Pick<Workspace, 'path'>): string {
  const copy = workspace.path('next');
  const entry = join(copy, 'bin', 'batchctl.js');
  if (existsSync(entry)) return entry;
  for (const part of ['bin', 'dist', 'package.json', 'LICENSE']) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  appendFileSync(entry, '// The next release.\n');
  return entry;
}
