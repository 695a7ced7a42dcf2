// Protects: docs/json.md has the fields of every answer, from their declarations, and keeps what people wrote around them.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { EXIT_CODES } from '../../src/errors.ts';
import { type Answer, JSON_PAGE, jsonPage, withAnswers } from './json-page.ts';

const page = readFileSync(JSON_PAGE, 'utf8');

const MARKS = ['<!-- fields: made by `npm run docs` -->', '<!-- end -->'] as const;
const HEAD = '# Answers\n\n## Rules\n\nMany.';
const NAMES = { type: 'object', properties: { name: { type: ['string', 'null'], description: 'a <word> | null' } } };
const SIZES = {
  type: 'object',
  properties: {
    sizes: { type: 'array', items: { type: 'object', properties: { at: { type: 'string', format: 'date-time' } } } },
    unit: { enum: ['bytes', 'lines'], description: 'see docs/job-file.md' },
  },
};
const NAMES_TABLE = `${MARKS[0]}
| field | is | meaning |
|---|---|---|
| \`name\` | text, null | a &lt;word> \\| null |
${MARKS[1]}`;
const SIZES_TABLE = `${MARKS[0]}
| field | is | meaning |
|---|---|---|
| \`sizes\` | list |  |
| \`sizes[].at\` | time |  |
| \`unit\` | bytes, lines | see [job-file.md](job-file.md) |
${MARKS[1]}`;

const answersOf = (answers: Readonly<Record<string, Answer>>): ReadonlyMap<string, Answer> =>
  new Map(Object.entries(answers));

describe('docs/json.md', () => {
  it('has the fields of every answer, as npm run docs writes them', async () => {
    expect(page).to.equal(await jsonPage());
  });

  it('names every kind of error', () => {
    const [, listed = ''] = /Kinds: `([^`]+)`/.exec(page) ?? [];
    expect(listed.split(/\s+/).sort()).to.deep.equal(Object.keys(EXIT_CODES).sort());
  });

  it('keeps the text around a table that is written again', () => {
    const before = `${HEAD}\n\n## \`show\`, \`see\`\n\nOne document.\n\n${MARKS.join('\n| old |\n')}\n\nMore.\n`;
    const shown = { schema: NAMES, list: false };
    expect(withAnswers(before, answersOf({ show: shown, see: shown }))).to.equal(
      `${HEAD}\n\n## \`show\`, \`see\`\n\nOne document.\n\n${NAMES_TABLE}\n\nMore.\n`,
    );
  });

  it('puts a new command behind the one before it, and drops the section of a command that is gone', () => {
    const before = `${HEAD}\n\n## \`gone\`\n\n${MARKS.join('\n')}\n\n## \`show\`\n\n${MARKS.join('\n')}\n\n## \`zero\`\n\nA script.\n`;
    const answers = answersOf({
      show: { schema: NAMES, list: false },
      measure: { schema: SIZES, list: true },
      zero: { schema: {}, list: false },
    });
    expect(withAnswers(before, answers)).to.equal(
      `${HEAD}\n\n## \`show\`\n\n${NAMES_TABLE}\n\n## \`measure\`\n\nA list.\n\n${SIZES_TABLE}\n\n## \`zero\`\n\nA script.\n`,
    );
  });

  it('refuses a section of commands with different answers', () => {
    const before = `${HEAD}\n\n## \`show\`, \`measure\`\n\n${MARKS.join('\n')}\n`;
    const answers = answersOf({ show: { schema: NAMES, list: false }, measure: { schema: SIZES, list: false } });
    expect(() => withAnswers(before, answers)).to.throw('expected the same answer of show and measure');
  });
});
