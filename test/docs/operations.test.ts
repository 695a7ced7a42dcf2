// Protects: docs/operations.md names only commands, flags, causes and files that exist.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';
import { CAUSE_CODES } from '../../src/model/cause.ts';
import { linesOf, parseLine } from './command-line.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const PAGE = readFileSync(join(DOCS, 'operations.md'), 'utf8');

/** Code on a page: the lines of its blocks, and text between backticks. */
function codeOf(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, text = '']) => text.trimEnd().split('\n'));
  const inline = page.replace(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g);
  return [...blocks, ...[...inline].map(([, text = '']) => text)];
}

describe('docs/operations.md', () => {
  it('names only existing commands and flags', async () => {
    const wrong: string[] = [];
    let lines = 0;
    for (const code of codeOf(PAGE)) {
      // In running text, the program's name is sometimes omitted.
      const whole = code.replace(/^(?=(infra|scale|workers|queue|retry) )/, 'batchctl ');
      for (const line of linesOf(whole)) {
        lines += 1;
        await parseLine(line).catch((error: Error) => wrong.push(`${code}: ${error.message}`));
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(lines).to.be.above(40);
  });

  it('names only existing causes of why, and links only to existing files', () => {
    const causes = [...PAGE.matchAll(/why`\s+says\s+`(\w+)`/g)].map(([, code]) => code);
    expect(causes).not.to.deep.equal([]);
    expect(causes.filter((code) => !CAUSE_CODES.some((known) => known === code))).to.deep.equal([]);
    const links = [...PAGE.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = '']) => path);
    expect(links.filter((path) => !existsSync(join(DOCS, path)))).to.deep.equal([]);
  });

  it('has a valid profile', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'batchctl-operations-'));
    try {
      const [, json = ''] = /^```json file=batchctl\.config\.json\n(.*?)^```$/ms.exec(PAGE) ?? [];
      writeFileSync(join(cwd, 'batchctl.config.json'), json);
      const { profile } = await loadConfig({ env: {}, cwd, home: '', etc: '' });
      expect(profile).to.include({ backend: 'aws', protect: true });
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
});
