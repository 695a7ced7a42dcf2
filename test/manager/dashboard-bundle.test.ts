// Protects: the dashboard loads fast, and runs under a strict content security policy.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';

const BUILT = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));
/** Maximum bytes of JavaScript sent over the network. */
const BUDGET = 76 * 1024;
/** Maximum bytes of those sent before anything is shown: without charts and pages of tasks. */
const FIRST_BUDGET = 44 * 1024;

describe("the dashboard's files", () => {
  const assets = readdirSync(join(BUILT, 'assets'));
  const sizeOf = (name: string): number => gzipSync(readFileSync(join(BUILT, 'assets', name)), { level: 6 }).length;
  const page = readFileSync(join(BUILT, 'index.html'), 'utf8');

  it('are small', () => {
    const sizes = assets.filter((name) => name.endsWith('.js')).map((name) => [name, sizeOf(name)] as const);
    const sum = (of: typeof sizes): number => of.reduce((total, [, size]) => total + size, 0);
    expect(sum(sizes), JSON.stringify(sizes)).to.be.at.most(BUDGET);
    const first = sizes.filter(([name]) => !/^(plot|slots|tasks?)-/.test(name));
    expect(sum(first), JSON.stringify(sizes)).to.be.at.most(FIRST_BUDGET);
    expect(sizeOf(assets.find((name) => name.endsWith('.css')) ?? '')).to.be.at.most(8 * 1024);
  });

  it('have nothing inline that a strict policy rejects, and name only existing files', () => {
    expect(page).not.to.match(/<style|style=|<script(?![^>]*src=)|\son\w+=|https?:/);
    const named = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name = '']) => name);
    expect(named).to.have.lengthOf(3);
    for (const name of named) expect(assets.map((asset) => `assets/${asset}`)).to.include(name);
  });

  it('never run text as code', () => {
    for (const name of assets.filter((asset) => asset.endsWith('.js'))) {
      expect(readFileSync(join(BUILT, 'assets', name), 'utf8'), name).not.to.match(
        /\beval\(|new Function\(|dangerouslySetInnerHTML=|insertAdjacentHTML|document\.write/,
      );
    }
  });
});
