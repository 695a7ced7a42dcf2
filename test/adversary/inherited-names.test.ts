// Protects: names that every JavaScript object inherits are names like any other, wherever a user may write one.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const INHERITED = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__'] as const;
/** The only one that names of jobs, steps, groups and schedules can have. */
const NAME = 'constructor';

describe('inherited names', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  let job: string;

  before(async () => {
    const command = '[ $0 != bad ] || exit 3; echo "constructor 2" >> $BATCHCTL_COUNTERS; echo $constructor $0 $1';
    workspace.write('job.json', {
      name: NAME,
      params: { constructor: 'p', toString: 'q' },
      labels: { constructor: 'l', toString: 'm' },
      input: { split: { by: 'grid', axes: { valueOf: ['a', 'b'] } } },
      steps: [
        {
          name: NAME,
          group: NAME,
          env: { constructor: 'e' },
          attempts: 1,
          run: ['sh', '-c', command, '{constructor}', '{valueOf}'],
        },
        { name: 'all', gather: true, group: NAME, run: 'cat' },
      ],
      expect: ['constructor.constructor == 4'],
    });
    const submitted = await workspace.run(['submit', 'job.json', '--run-key', NAME, '--json', '--label', 'valueOf=n']);
    ({ job } = jsonOf(submitted));
    expectExit(await workspace.run(['worker', '--until-empty', '--group', NAME, '--slots', '1']));
  });

  it('run: as job, step, group, parameter, label, counter, variable and axis', async () => {
    const status = jsonOf(await workspace.run(['status', job, '--json']));
    expect(status).to.include({ state: 'succeeded', runKey: NAME });
    expectExit(await workspace.run(['fetch', job, '-o', 'out']));
    expect(readFileSync(workspace.path('out'), 'utf8')).to.equal('e p a\ne p b\n');
    expect(jsonOf(await workspace.run(['verify', job, '--deep', '--json']))).to.include({ verdict: 'proven' });
    const found = jsonLinesOf(await workspace.run(['jobs', '--label', 'constructor=l', '--json']));
    expect(found.map((each) => each.job)).to.deep.equal([job]);
    for (const none of ['hasOwnProperty=1', 'isPrototypeOf=x'])
      expect(jsonLinesOf(await workspace.run(['jobs', '--label', none, '--json']))).to.deep.equal([]);
  });

  it('are shown, explained and changed', async () => {
    for (const words of [
      ['tasks', job],
      ['tasks', job, '--step', NAME],
      ['history', job],
      ['report', job],
      ['plan', 'job.json', '--set', 'constructor=x'],
      ['why', job],
      ['failures', job],
      ['scale', '--group', NAME],
      ['queue', '--group', NAME],
      ['workers', '--group', NAME],
      ['schedule', 'add', NAME, 'job.json', '--cron', '0 6 1 * *'],
      ['schedule', 'show', NAME],
      ['schedule', 'next', NAME],
      ['schedule', 'rm', NAME, '--yes'],
      ['completion', 'bash'],
    ]) {
      const ended = await workspace.run(words);
      expect(ended.code, `${words.join(' ')}: ${ended.stderr}`).to.be.oneOf([0, 11]);
      expect(ended.stdout + ended.stderr, words.join(' ')).not.to.match(/native code|\[object Object\]|this is a bug/);
    }
  });

  it('fail, are retried with another value, and skipped', async () => {
    const submitted = await workspace.run(['submit', 'job.json', '--set', 'constructor=bad', '--json']);
    const failed = jsonOf(submitted).job;
    expectExit(await workspace.run(['worker', '--until-empty', '--group', NAME, '--slots', '1']));
    expect(jsonOf(await workspace.run(['status', failed, '--json']))).to.include({ state: 'failed' });
    expect(jsonLinesOf(await workspace.run(['failures', failed, '--json']))).to.have.length(1);
    expectExit(await workspace.run(['skip', failed, '--task', `${NAME}/1`, '--reason', 'x', '--dry-run']));
    expectExit(await workspace.run(['retry', failed, '--set', 'constructor=good']));
    expectExit(await workspace.run(['worker', '--until-empty', '--group', NAME, '--slots', '1']));
    expect(jsonOf(await workspace.run(['status', failed, '--json']))).to.include({ state: 'succeeded' });
  });

  for (const name of INHERITED) {
    it(`are unknown commands, topics, schemas, profiles, values and fields: ${name}`, async () => {
      const expected: readonly (readonly [code: number, words: readonly string[]])[] = [
        [2, [name]],
        [2, ['help', name]],
        [2, ['schema', name]],
        [3, ['jobs', '--profile', name]],
        [4, ['config', 'show', name]],
        [2, ['jobs', `--${name}`]],
        [2, ['jobs', '--state', name]],
        [2, ['run', '--split', name, '--', 'cat']],
        [2, ['report', '--format', name]],
        [2, ['plan', 'job.json', '--set', `${name}s=1`]],
      ];
      for (const [code, words] of expected) {
        const ended = await workspace.run(words);
        expect(ended.code, `${words.join(' ')}: ${ended.stderr}`).to.equal(code);
        expect(ended.stderr, words.join(' ')).not.to.match(/this is a bug|native code/);
      }
    });

    it(`are unknown fields and placeholders of a job file: ${name}`, async () => {
      const spec = { name: 'x', input: { split: { by: 'range', from: 1, to: 1 } }, steps: [{ name: 'a', run: 'cat' }] };
      const withField = `{"${name}": 1, ${JSON.stringify(spec).slice(1)}`;
      workspace.write('field.json', withField);
      expectExit(await workspace.run(['plan', 'field.json']), 3);
      const step = { name: 'a', run: ['echo', `{${name}}`] };
      workspace.write('placeholder.json', { ...spec, steps: [step] });
      const ended = await workspace.run(['plan', 'placeholder.json']);
      expect(ended.stdout + ended.stderr).not.to.match(/native code|this is a bug/);
      workspace.write('by.json', { ...spec, input: { split: { by: name } } });
      expectExit(await workspace.run(['plan', 'by.json']), 3);
    });
  }
});
