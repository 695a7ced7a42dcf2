// Protects: the dashboard loads fast, and runs under a strict content security policy.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';

const BUILT = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));
/** Maximum bytes of JavaScript sent over the network. */
const BUDGET = 125 * 1024;
/** Maximum bytes of those sent before anything is shown: the page's script and what it imports at once. */
const FIRST_BUDGET = 48 * 1024;

describe("the dashboard's files", () => {
  const assets = readdirSync(join(BUILT, 'assets'));
  const sizeOf = (name: string): number => gzipSync(readFileSync(join(BUILT, 'assets', name)), { level: 6 }).length;
  /** Scripts, and what they import at once, directly or not. */
  const loadedAtOnce = (scripts: readonly string[]): readonly string[] => {
    const found = new Set(scripts);
    for (const name of found) {
      const text = readFileSync(join(BUILT, 'assets', name), 'utf8');
      for (const [, imported = ''] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) found.add(imported);
    }
    return [...found];
  };
  const page = readFileSync(join(BUILT, 'index.html'), 'utf8');

  it('are small', () => {
    const sum = (names: readonly string[]): number => names.reduce((total, name) => total + sizeOf(name), 0);
    const sizes = (names: readonly string[]): string => names.map((name) => `${name} ${sizeOf(name)}`).join(', ');
    const scripts = assets.filter((name) => name.endsWith('.js'));
    expect(sum(scripts), sizes(scripts)).to.be.at.most(BUDGET);
    const first = loadedAtOnce(scripts.filter((name) => name.startsWith('main-')));
    expect(first.length, 'the script and its imports').to.be.above(1);
    expect(sum(first), sizes(first)).to.be.at.most(FIRST_BUDGET);
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
