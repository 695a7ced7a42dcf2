// Protects: the JSON Schemas and manuals match the code and describe every field.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { configJsonSchema } from '../../src/config/schema.ts';
import { jobJsonSchema } from '../../src/jobs/spec/schema.ts';
import { configurationPage } from '../docs/configuration-page.ts';
import { jobFilePage } from '../docs/job-file-page.ts';
import { fieldPaths, schemasAt } from '../support/field-paths.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('the JSON Schemas', () => {
  it('in the repository are up to date (npm run docs)', () => {
    expect(JSON.parse(read('schema/job.schema.json'))).to.deep.equal(jobJsonSchema());
    expect(JSON.parse(read('schema/config.schema.json'))).to.deep.equal(configJsonSchema());
  });

  for (const [file, schema] of Object.entries({
    'a job file': jobJsonSchema(),
    'the configuration': configJsonSchema(),
  })) {
    it(`describe the purpose of every field of ${file}`, () => {
      const silent = fieldPaths(schema)
        .filter((path) => path.at(-1) !== '*' && path.at(-1) !== '[]')
        .filter((path) => schemasAt(schema, path).every(({ description }) => description === undefined));
      expect(silent).to.deep.equal([]);
    });
  }
});

describe('the manuals', () => {
  it('have a line for every field of the configuration, with its default (npm run docs)', () => {
    expect(read('docs/configuration.md')).to.equal(configurationPage());
  });

  it('have a line for every field of a job file, with its default and whether a retry may change it (npm run docs)', () => {
    expect(read('docs/job-file.md')).to.equal(jobFilePage());
  });
});
