// Protects: a job file is read with the right units and defaults, and all its mistakes are reported at once.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { formatJobFile } from '../../../src/jobs/spec/format-job-file.ts';
import { loadJobFile, parseJobFile, specOfValue } from '../../../src/jobs/spec/job-file.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

const CLAIMS = `
name: claims
files: [price.mjs, rates.csv]
params: { region: EU, rate: 1.10, code: 007, big: 12345678901234567890, on: true }
input:
  from: claims-{period}.csv
  split: { by: csv, size: 32MB, header: true }
steps:
  - name: price
    run: [node, price.mjs]
    timeout: 10m
    stall: 5m
    interruptions: 2
    fallback: steady
    env: &env { LEVEL: 1.50, DEBUG: false }
    secrets: { DB: "env:DB_PASSWORD", KEY: "file:/etc/key" }
    permanent: [65]
  - name: totals
    gather: true
    header: once
    run: node totals.mjs
    needs: { slots: all, memory: 4GB }
    env: *env
tolerate: 0.1%
halt: 5%
expect: [price.records == input.records]
labels: { team: finance }
deliver: { to: "s3://acme/out/" }
notify: [{ on: [failed, late], to: "https://example.com/hook" }]
`;

describe('a job file', () => {
  const scratch = forEachTest(() => new Scratch());

  it('becomes a spec with units converted and every default filled in', () => {
    expect(parseJobFile(CLAIMS, { file: 'claims.yaml' })).to.deep.equal({
      name: 'claims',
      files: ['price.mjs', 'rates.csv'],
      params: { region: 'EU', rate: '1.10', code: '007', big: '12345678901234567890', on: 'true' },
      input: {
        from: ['claims-{period}.csv'],
        split: { by: 'csv', header: true, delimiter: ',', quote: '"', size: 32_000_000 },
      },
      steps: [
        {
          name: 'price',
          run: ['node', 'price.mjs'],
          gather: false,
          input: 'stdin',
          output: 'stdout',
          header: null,
          explode: false,
          group: 'default',
          attempts: 3,
          timeout: 600,
          stall: 300,
          needs: { slots: 1, memory: 0, disk: 0 },
          env: { LEVEL: '1.50', DEBUG: 'false' },
          secrets: { DB: 'env:DB_PASSWORD', KEY: 'file:/etc/key' },
          permanent: [65],
          maxRunning: null,
          interruptions: 2,
          fallback: 'steady',
        },
        {
          name: 'totals',
          run: 'node totals.mjs',
          gather: true,
          input: 'stdin',
          output: 'stdout',
          header: 'once',
          explode: false,
          group: 'default',
          attempts: 3,
          timeout: 3600,
          stall: null,
          needs: { slots: 'all', memory: 4_000_000_000, disk: 0 },
          env: { LEVEL: '1.50', DEBUG: 'false' },
          secrets: {},
          permanent: [],
          maxRunning: null,
          interruptions: null,
          fallback: null,
        },
      ],
      tolerate: { kind: 'share', share: 0.001 },
      onFailure: 'finish',
      halt: 0.05,
      expect: ['price.records == input.records'],
      labels: { team: 'finance' },
      maxRunning: null,
      maxTasks: 1_000_000,
      deliver: { to: 's3://acme/out/', name: '{step}-{task}', marker: '_SUCCESS' },
      notify: [{ on: ['failed', 'late'], to: 'https://example.com/hook' }],
    });
  });

  it('may be JSON, indented with tabs', () => {
    const json = '{\n\t"name": "a",\n\t"steps": [\n\t\t{"name": "s", "run": ["true"]}\n\t]\n}\n';
    const spec = parseJobFile(json, { file: 'a.json' });
    expect(spec.steps[0]?.run).to.deep.equal(['true']);
    expect(spec.input).to.equal(null);
  });

  it('gives a command the numbers and words of its list as they are written', () => {
    const words = ['-crf', '28', '1e3', '0x10', '010', '1.0', '1_000', '-5', '+.5', '.inf', '12345678901234567890'];
    const list = ['ffmpeg', ...words, 'true', 'False', 'null', '~', 'no', '-'];
    const spec = parseJobFile(`name: a\nsteps: [{ name: s, run: [${list.slice(0, -1).join(', ')}, "-"] }]\n`, {
      file: 'a.yaml',
    });
    expect(spec.steps[0]?.run).to.deep.equal(list);
    const lines = `name: a\nsteps:\n- name: s\n  run:\n${list.map((word) => `  - ${word === '-' ? '"-"' : word}\n`).join('')}`;
    expect(parseJobFile(lines, { file: 'a.yaml' }).steps[0]?.run).to.deep.equal(list);
    const value = { name: 'a', steps: [{ name: 's', run: ['sleep', 0.5, true] }] };
    expect(specOfValue(value, { file: 'a.json' }).steps[0]?.run).to.deep.equal(['sleep', '0.5', 'true']);
    expect(parseJobFile(formatJobFile(spec), { file: 'again.yaml' })).to.deep.equal(spec);
  });

  it('processes each input whole without a split', () => {
    const yaml = 'name: a\ninput: { from: [a.bin, "store:b", "job:last/price"] }\nsteps: [{ name: s, run: x }]\n';
    const spec = parseJobFile(yaml, { file: 'a.yaml' });
    expect(spec.input).to.deep.equal({ from: ['a.bin', 'store:b', 'job:last/price'], split: { by: 'file' } });
  });

  it('gives a step with a fallback group three interruptions by default', () => {
    const spec = parseJobFile('name: a\nsteps: [{ name: s, run: x, fallback: steady }]\n', { file: 'a.yaml' });
    expect(spec.steps[0]?.interruptions).to.equal(3);
  });

  it('reports all its mistakes at once, in file order', async () => {
    const text =
      'name: Claims\nsteps:\n  - name: a\n    run: x\n    timout: 5m\n  - name: a\n    run: []\ntolerate: -1\n';
    const error = await errorOf(text);
    const lines = error.message.split('\n');
    expect(lines[0]).to.equal('job.yaml has 5 mistakes:');
    expect(lines.slice(1).map((line) => line.split(' ').slice(0, 2).join(' '))).to.deep.equal([
      'job.yaml:1:7: name:',
      'job.yaml:5:5: steps[0].timout:',
      'job.yaml:6:11: steps[1].name:',
      'job.yaml:7:10: steps[1].run:',
      'job.yaml:8:11: tolerate:',
    ]);
    expect(error.message).to.contain('did you mean timeout?');
    expect(error.hint).to.contain('batchctl schema job');
  });

  it('is read from disk as UTF-8, and reported as not found if missing', async () => {
    const path = scratch.path('job.yaml');
    writeFileSync(path, '\ufeffname: a\nsteps: [{ name: s, run: x }]\n');
    expect((await loadJobFile(path)).name).to.equal('a');
    writeFileSync(path, Buffer.from([0x6e, 0xff, 0xfe]));
    await failsWith('jobFile', loadJobFile(path));
    await failsWith('notFound', loadJobFile(scratch.path('none.yaml')));
    await failsWith('jobFile', loadJobFile(scratch.directory));
  });

  it('never displays a secret that is written in place of a reference to it', async () => {
    const error = await errorOf('name: a\nsteps: [{ name: s, run: x, secrets: { DB: hunter2 } }]\n');
    expect(error.message).to.contain('found a hidden value').and.not.contain('hunter2');
  });
});

const errorOf = (text: string) => failsWith('jobFile', (async () => parseJobFile(text, { file: 'job.yaml' }))());
