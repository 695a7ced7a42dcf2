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

/** Types that the manager and its client exchange besides those of verbs: module, name, and name in the document. */
const EXCHANGED = [
  ...['CompletionAsked', 'ObjectPage', 'PartUrls', 'PartsAsked', 'UploadAsked', 'UploadWay', 'Me'].map((name) => [
    'api',
    name,
    name,
  ]),
  ['store', 'PutResult', 'Put'],
];

/** A program that compiles only if code and document declare the same types. */
const COMPARISON = `
import type { components } from './document.ts';
import type * as api from '../src/model/api.ts';
import type * as store from '../src/ports/object-store.ts';

// Without \`readonly\`, which the document lacks. A kind is a text, because further kinds of errors may be added.
type Plain<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Each)[]
    ? Plain<Each>[]
    : { -readonly [K in keyof T]: K extends 'kind' ? string : Plain<T[K]> };
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
${EXCHANGED.map(
  ([module, name, schema]) =>
    `export const ${name}: Same<Plain<${module}.${name}>, Plain<components['schemas']['${schema}']>> = true;`,
).join('\n')}
`;

describe('the types that a manager and its client exchange', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(ROOT, '.exchanged-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("are the same in the code and in the API's document", async () => {
    // The library modifies the document that it is given.
    const types = await openapiTS(structuredClone(openApiDocument(await describedVerbs())) as never);
    writeFileSync(join(directory, 'document.ts'), astToString(types));
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
