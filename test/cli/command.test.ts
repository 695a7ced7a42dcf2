// Protects: command arguments and options are parsed as the help says, and wrong ones are rejected.

import { expect } from 'chai';
import {
  type CommandEntry,
  type CommandInput,
  choice,
  defineCommand,
  parsed,
  repeated,
} from '../../src/cli/command.ts';
import { parseCommand } from '../../src/cli/parse.ts';
import { BatchctlError } from '../../src/errors.ts';
import { wholeNumberParser } from '../../src/lib/units.ts';

const ARGUMENTS = { '<job>': 'the job', '[task...]': 'tasks' } as const;
const OPTIONS = {
  '--max-tasks <n>': parsed('send back at most this many', wholeNumberParser(1)),
  '-o, --output <file>': 'where to',
  '--set <pair>': repeated('a parameter'),
  '--mode <mode>': choice('how', ['fast', 'safe']),
  '--no-scale': 'start nothing',
  '--all': 'everything',
} as const;

const inputs: CommandInput<typeof OPTIONS, typeof ARGUMENTS>[] = [];
const definition = defineCommand({
  arguments: ARGUMENTS,
  options: OPTIONS,
  writes: false,
  output: null,
  help: { examples: ['batchctl test'], exitCodes: { 0: true }, related: ['init'] },
  run: async (input) => {
    inputs.push(input);
  },
});
const entry: CommandEntry = { name: 'test', group: 'Jobs', summary: 'a test', load: async () => () => definition };

describe("a command's input", () => {
  it('has arguments and options by name, parsed', async () => {
    const words = 'j1 t1 t2 --max-tasks 3 -o - --set a=1 --set=b=2 --mode safe --no-scale --all'.split(' ');
    expect(await definition.run({ ...parseCommand(entry, definition, words).input, rest: null })).to.equal(undefined);
    expect(inputs.pop()).to.deep.equal({
      job: 'j1',
      task: ['t1', 't2'],
      maxTasks: 3,
      output: '-',
      set: ['a=1', 'b=2'],
      mode: 'safe',
      scale: false,
      all: true,
      rest: null,
    });
  });

  it('has defaults for missing arguments and options', () => {
    const { input, given } = parseCommand(entry, definition, ['j1']);
    expect(input).to.deep.equal({ job: 'j1', task: [], set: [], scale: true, all: false });
    expect(given).to.deep.equal({ job: 'j1' });
  });

  it('has apart only what was typed, also if it is the default', () => {
    const words = 'j1 t1 --set a=1 --no-scale --all --mode fast'.split(' ');
    expect(parseCommand(entry, definition, words).given).to.deep.equal({
      job: 'j1',
      task: ['t1'],
      set: ['a=1'],
      scale: false,
      all: true,
      mode: 'fast',
    });
  });

  const mistakes: readonly (readonly [readonly string[], string])[] = [
    [['j', '--max-tasks', '0'], '--max-tasks: expected a whole number from 1, found "0"'],
    [['j', '--max-tasks', '1e3'], 'expected a whole number'],
    [['j', '--mode', 'slow'], 'Expected one of fast, safe'],
    [['j', '--max-task', '3'], "unknown option '--max-task'"],
    [[], "missing required argument 'job'"],
  ];
  for (const [words, message] of mistakes) {
    it(`is rejected for ${words.join(' ') || 'nothing at all'}`, () => {
      expect(() => parseCommand(entry, definition, words))
        .to.throw(BatchctlError, message)
        .that.includes({ kind: 'usage' });
    });
  }
});
