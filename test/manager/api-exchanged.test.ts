// Protects: the command line and the manager agree on what they send each other.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import openapiTS, { astToString } from 'openapi-typescript';
import { openApiDocument } from '../../src/manager/http/openapi/document.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What the manager and its client exchange besides verbs: the types in the code, by their names in the document. */
const EXCHANGED = {
  ...{ CompletionAsked: 'api', PartUrls: 'api', PartsAsked: 'api', UploadAsked: 'api', UploadWay: 'api' },
  ...{ Me: 'api', PutResult: 'store' },
};

/** A program that compiles only if both declare the same. */
const COMPARISON = `
import type { components } from './document.ts';
import type * as api from '../src/model/api.ts';
import type * as store from '../src/ports/object-store.ts';

// Without \`readonly\`, which the document lacks. Further kinds of errors may come: to a reader a kind is a text.
type Plain<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Each)[]
    ? Plain<Each>[]
    : { -readonly [K in keyof T]: K extends 'kind' ? string : Plain<T[K]> };
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
${Object.entries(EXCHANGED)
  .map(([name, from]) => {
    const told = name === 'PutResult' ? 'Put' : name;
    return `export const ${name}: Same<Plain<${from}.${name}>, Plain<components['schemas']['${told}']>> = true;`;
  })
  .join('\n')}
`;

describe('what a manager and its client exchange', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(ROOT, '.exchanged-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("has the same types in the code and in the API's document", async () => {
    // The library modifies the document that it is given.
    const made = await openapiTS(structuredClone(openApiDocument(await describedVerbs())) as never);
    writeFileSync(join(directory, 'document.ts'), astToString(made));
    writeFileSync(join(directory, 'comparison.ts'), COMPARISON);
    const config = { extends: '../tsconfig.json', files: ['comparison.ts'], include: [] };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(ROOT, 'node_modules/typescript-native/bin/tsc');
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '--noEmit', '-p', directory]).catch(
      (error: { readonly stdout: string }) => error,
    );
    expect(stdout).to.equal('');
  });
});
