// Protects: a verb's fields are parsed the same for every caller, and a wrong one is named as its caller spells it.
import { expect } from 'chai';
import * as v from 'valibot';
import { COMMANDS } from '../../src/cli/commands.ts';
import { wholeNumberParser } from '../../src/lib/units.ts';
import { VERBS } from '../../src/verbs/index.ts';
import { field, fieldText, flag, oneOf, parsedText, parseInput, text } from '../../src/verbs/verb.ts';
import { inputSchema } from '../../src/verbs/verb-schema.ts';
import { fakeContext } from '../cli/fake-io.ts';

const VERB = {
  input: v.strictObject({
    job: field('<job>', 'the job', text),
    state: v.optional(field('--state <state>', 'its state', oneOf(['open', 'closed']))),
    task: v.optional(field('--task <task>', 'a task', v.array(text)), []),
    canary: v.optional(field('--canary <n>', 'tasks to run first', parsedText(wholeNumberParser(1)))),
    scale: v.optional(field('--no-scale', 'leave sizes as they are', flag), true),
  }),
};

describe('the fields of a verb', () => {
  it('have values of their types, from text and from JSON', () => {
    const fromText = parseInput(VERB, { job: 'last', task: 'a/1', canary: '2', scale: false, state: null });
    expect(fromText).to.deep.equal({ job: 'last', task: ['a/1'], canary: 2, scale: false });
    const fromJson = parseInput(VERB, { job: 7, task: ['a/1', 'b/2'], canary: 3, state: 'open' });
    expect(fromJson).to.deep.equal({ job: '7', task: ['a/1', 'b/2'], canary: 3, scale: true, state: 'open' });
  });

  for (const [given, message] of [
    [{}, '--job: expected, found nothing'],
    [{ job: ['a'] }, '--job: expected text or a number, found a list'],
    [{ job: 'a', state: 'half' }, '--state: expected one of open, closed, found "half"'],
    [{ job: 'a', canary: 0 }, '--canary: expected a whole number from 1, found "0"'],
    [{ job: 'a', scale: 'yes' }, '--scale: expected true or false, found "yes"'],
    [{ job: 'a', task: [{}] }, '--task: expected text or a number, found a map'],
    [{ job: 'a', tasks: 'a/1' }, 'unknown field "tasks"'],
    [{ job: 'a', constructor: 'b' }, 'unknown field "constructor"'],
  ] as const) {
    it(`are rejected: ${JSON.stringify(given)}`, () => {
      expect(() => parseInput(VERB, given, (name) => `--${name}`))
        .to.throw(message)
        .with.property('kind', 'usage');
    });
  }
});

describe('every declared verb', () => {
  const { ctx } = fakeContext();

  for (const [name, load] of Object.entries(VERBS)) {
    it(`${name} has the name of its command, and fields named as they are spelled`, async () => {
      const verb = await load();
      expect(verb.name).to.equal(name);
      const entry = COMMANDS.find((each) => each.name === name);
      const { options } = (await entry?.load())?.(ctx) ?? { options: {} };
      for (const [key, schema] of Object.entries(verb.input.entries)) {
        const { spec, text } = fieldText(schema as v.GenericSchema);
        expect(text, key).to.not.equal('');
        // The command line provides the field itself.
        if (spec === null) continue;
        const spelled = /--(?:no-)?([a-z-]+)/.exec(spec)?.[1] ?? spec.replace(/[<>[\].]/g, '');
        expect(spelled.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())).to.equal(key);
        if (spec.startsWith('-')) expect(options).to.have.property(spec);
      }
    });

    it(`${name} has a path whose parameters are its fields, and a schema of its input`, async () => {
      const verb = await load();
      for (const [, parameter = ''] of (verb.http?.path ?? '').matchAll(/\{(\w+)\}/g)) {
        expect(verb.input.entries).to.have.property(parameter);
      }
      const { properties, additionalProperties } = inputSchema(verb);
      expect(Object.keys(properties as object)).to.deep.equal(Object.keys(verb.input.entries));
      expect(additionalProperties).to.equal(false);
      for (const [key, property] of Object.entries(properties as object)) {
        expect(property, key).to.have.property('description').that.is.a('string').and.is.not.empty;
      }
    });
  }
});
