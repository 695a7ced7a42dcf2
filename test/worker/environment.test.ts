// Protects: each variable of a command has the value that the narrowest place gives it, and no secret a name that shows it.
import { expect } from 'chai';
import type { Overrides } from '../../src/model/journal.ts';
import {
  commandOf,
  environmentOf,
  inheritedFrom,
  secretsOf,
  withOutputExtension,
} from '../../src/worker/environment.ts';
import type { SlotDirectory } from '../../src/worker/slot-directory.ts';
import type { StagedInput } from '../../src/worker/stage-in.ts';
import { viewOf } from '../model/job-of.ts';
import { failsWith } from '../support/rejection.ts';
import { makeTask } from './worker-context.ts';

const job = (step: string, deliver = ''): string => `
name: claims
params: { region: EU, sub_region: north }
input: { from: a.csv, split: { by: file } }
${deliver}
steps:
  - { name: price, ${step} }
  - { name: convert, run: [cat], output: file }
`;
const STAGED: StagedInput = { stdin: null, path: null, extension: '', bytes: 0, params: {}, inputName: null };
const SLOT: SlotDirectory = {
  cwd: '/slot/work',
  stdin: '/slot/stdin',
  stdout: '/slot/stdout',
  stderr: '/slot/stderr',
  counters: '/slot/counters',
  outputFile: '/slot/output',
  outputDirectory: '/slot/outputs',
  inputDirectory: '/slot/inputs',
};
const FACTS = {
  worker: 'w',
  attempt: 'a',
  leaseSeconds: 15,
  deadline: 0,
  secrets: {},
  inherited: { PATH: '/bin', HOME: '/root' },
  groupEnv: {},
} as const;

interface Given {
  readonly step?: string;
  readonly deliver?: string;
  readonly of?: string;
  readonly overrides?: Overrides;
}

describe("a command's environment", () => {
  const taskOf = ({ step = 'run: [cat]', deliver = '', of = 'price', overrides = {} }: Given = {}) =>
    makeTask(viewOf([], job(step, deliver)), { step: of, task: 7 }, { overrides });
  const envOf = (
    given: Given,
    staged: Partial<StagedInput> = {},
    facts: Partial<Parameters<typeof environmentOf>[3]> = {},
  ) => environmentOf(taskOf(given), { ...STAGED, ...staged }, SLOT, { ...FACTS, ...facts });

  it('has parameters of the job, of a retry, and of the part, each over the one before', () => {
    const overrides = { params: { region: 'US' } };
    expect(envOf({})).to.include({ BATCHCTL_PARAM_REGION: 'EU', BATCHCTL_PARAM_SUB_REGION: 'north' });
    expect(envOf({ overrides }).BATCHCTL_PARAM_REGION).to.equal('US');
    expect(envOf({ overrides }, { params: { region: 'FR' } }).BATCHCTL_PARAM_REGION).to.equal('FR');
  });

  it('says exactly what runs: task, round, attempt, lease, deadline, records of the part', () => {
    const view = viewOf([], job('run: [cat], output: file'));
    const dated = { ...view, record: { ...view.record, period: '2026-11' } };
    const task = makeTask(dated, { step: 'price', task: 7, round: 2 }, { number: 3 });
    const staged = { ...STAGED, path: '/in/a.csv', inputName: 'in/a.csv', records: { first: 41, count: 20 } };
    const deadline = Date.parse('2026-11-30T06:00:01.500Z');
    const inherited = inheritedFrom({ PATH: '/bin', TZ: 'Asia/Tokyo', LANG: '', AWS_PROFILE: 'x' });
    expect(environmentOf(task, staged, SLOT, { ...FACTS, deadline, inherited })).to.deep.equal({
      PATH: '/bin',
      TZ: 'Asia/Tokyo',
      LANG: '',
      BATCHCTL_PARAM_REGION: 'EU',
      BATCHCTL_PARAM_SUB_REGION: 'north',
      BATCHCTL_PARAM_PERIOD: '2026-11',
      BATCHCTL_JOB: view.record.job,
      BATCHCTL_STEP: 'price',
      BATCHCTL_TASK: '7',
      BATCHCTL_INDEX: '7',
      BATCHCTL_ROUND: '2',
      BATCHCTL_ATTEMPT: 'a',
      BATCHCTL_ATTEMPT_NUMBER: '3',
      BATCHCTL_WORKER_ID: 'w',
      BATCHCTL_LEASE_SECONDS: '15',
      BATCHCTL_DEADLINE: '2026-11-30T06:00:01.500Z',
      BATCHCTL_COUNTERS: '/slot/counters',
      BATCHCTL_INPUT_NAME: 'in/a.csv',
      BATCHCTL_INPUT_BASENAME: 'a.csv',
      BATCHCTL_INPUT_STEM: 'a',
      BATCHCTL_FIRST_RECORD: '41',
      BATCHCTL_RECORDS: '20',
      BATCHCTL_INPUT: '/in/a.csv',
      BATCHCTL_OUTPUT: '/slot/output',
    });
  });

  it("has the group's variables below the step's, and secrets above both", () => {
    const step = 'run: [cat], env: { A: step, B: step }';
    const env = envOf({ step }, {}, { groupEnv: { A: 'group', B: 'group', C: 'group' }, secrets: { B: 'secret' } });
    expect(env).to.include({ A: 'step', B: 'secret', C: 'group' });
  });

  it('refuses a secret whose name shells use themselves, as its value would be visible', async () => {
    for (const name of ['IFS', 'BASH_ENV', 'UID', 'OPTIND'])
      await failsWith(
        'jobFile',
        Promise.resolve().then(() => envOf({}, {}, { secrets: { [name]: 'x' } })),
      );
    expect(envOf({}, {}, { secrets: { TOKEN: 'x' } }).TOKEN).to.equal('x');
  });

  it('names paths only where the step has them', () => {
    const paths = (step: string, staged: Partial<StagedInput> = {}) => {
      const { BATCHCTL_INPUT, BATCHCTL_OUTPUT, BATCHCTL_OUTPUT_DIR } = envOf({ step }, staged);
      return [BATCHCTL_INPUT, BATCHCTL_OUTPUT, BATCHCTL_OUTPUT_DIR];
    };
    expect(paths('run: [cat]')).to.deep.equal([undefined, undefined, undefined]);
    expect(paths('run: [cat]', { path: '/in' })).to.deep.equal(['/in', undefined, undefined]);
    expect(paths('run: [cat], output: file')).to.deep.equal([undefined, '/slot/output', undefined]);
    expect(paths('run: [cat], output: files')).to.deep.equal([undefined, undefined, '/slot/outputs']);
  });

  it("has a range's number as index, and otherwise the task's; an input's name with base name and stem", () => {
    expect(envOf({})).to.include({ BATCHCTL_INDEX: '7' });
    expect(envOf({}, { params: { index: '8' } })).to.include({ BATCHCTL_INDEX: '8' });
    const named = envOf({}, { inputName: 'in/claims.csv.gz' });
    expect(named).to.include({ BATCHCTL_INPUT_NAME: 'in/claims.csv.gz', BATCHCTL_INPUT_BASENAME: 'claims.csv.gz' });
    expect(named.BATCHCTL_INPUT_STEM).to.not.include('/');
    const run = commandOf(
      taskOf({ step: 'run: [echo, "{stem}", "{name}"]' }),
      { ...STAGED, inputName: 'a/b.mp4' },
      SLOT,
    );
    expect(run).to.deep.equal(['echo', 'b', 'b.mp4']);
  });

  it("has another user's home, and not the worker's", () => {
    const owner = { name: 'batch-0', uid: 1, gid: 1 };
    const slot: SlotDirectory = { ...SLOT, own: { owner, home: '/slot/home', taken: () => '' } };
    const env = environmentOf(taskOf(), STAGED, slot, FACTS);
    expect(env).to.include({ HOME: '/slot/home', TMPDIR: '/slot/home', USER: 'batch-0', PATH: '/bin' });
    expect(envOf({}).HOME).to.equal('/root');
  });

  it('leaves out a secret of the group that the step sets as a plain variable, and prefers its own', () => {
    const secrets = { TOKEN: 'ssm:/group', KEY: 'ssm:/group' };
    const platform = { commandSettings: () => ({ env: {}, secrets }) };
    expect(secretsOf(platform, 'default', { env: { TOKEN: 'plain' }, secrets: { KEY: 'ssm:/step' } })).to.deep.equal({
      KEY: 'ssm:/step',
    });
  });

  it('has the paths of its input and output as placeholders, and parameters of the job before these', () => {
    const wordsOf = (step: string, staged: Partial<StagedInput> = {}) =>
      commandOf(
        taskOf({ step: `run: [x, "{input}", "{output}", "{region}", "{index}"], ${step}` }),
        { ...STAGED, ...staged },
        SLOT,
      );
    expect(wordsOf('output: file', { path: '/in' })).to.deep.equal(['x', '/in', '/slot/output', 'EU', '7']);
    expect(wordsOf('output: files')).to.deep.equal(['x', '{input}', '/slot/outputs', 'EU', '7']);
    expect(wordsOf('output: file', { params: { index: '41' } })[4]).to.equal('41');
    const view = viewOf([], job('run: [x, "{output}"], output: file').replace('region: EU', 'output: own'));
    expect(commandOf(makeTask(view), STAGED, SLOT)).to.deep.equal(['x', 'own']);
  });

  it('refuses a path that the text of a shell would not read as one word', async () => {
    const task = taskOf({ step: 'run: [sh, -c, "cat {input}"]' });
    const at = (path: string) => Promise.resolve().then(() => commandOf(task, { ...STAGED, path }, SLOT));
    expect(await at('/slot/a.csv')).to.deep.equal(['sh', '-c', 'cat /slot/a.csv']);
    for (const path of ['/slot/a b.csv', '/slot/$(id)', "/slot/a'b"]) await failsWith('jobFile', at(path));
    const writes = taskOf({ step: 'run: [sh, -c, "cat >{output}"], output: file' });
    const to = (outputFile: string) => Promise.resolve().then(() => commandOf(writes, STAGED, { ...SLOT, outputFile }));
    expect(await to('/slot/out.csv')).to.deep.equal(['sh', '-c', 'cat >/slot/out.csv']);
    expect((await failsWith('jobFile', to('/slot/o t'))).message).to.include('use "$BATCHCTL_OUTPUT"');
  });

  it("gives an output file the step's extension, or that of its delivered name, or that of its input", () => {
    const named = (given: Given, extension = '.csv') =>
      withOutputExtension(SLOT, taskOf(given), { ...STAGED, extension }).outputFile;
    const deliver = 'deliver: { to: out/, name: "{task}.txt" }';
    expect(named({ step: 'run: [cat], output: file' })).to.equal('/slot/output.csv');
    expect(named({ step: 'run: [cat], output: file, extension: .mkv', deliver })).to.equal('/slot/output.mkv');
    expect(named({ step: 'run: [cat], output: file', deliver })).to.equal('/slot/output.csv');
    expect(named({ of: 'convert', deliver })).to.equal('/slot/output.txt');
    expect(named({ step: 'run: [cat]' })).to.equal('/slot/output');
  });
});
