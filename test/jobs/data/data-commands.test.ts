// Protects: upload, ls, rm and fetch print what they did, and rm removes nothing without confirmation.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { look } from '../../../src/jobs/watch/look.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { runHere } from '../run-here.ts';
import { publishAll, submitJob } from '../submitted-job.ts';

describe('the data commands', () => {
  const scratch = forEachTest(() => new Scratch());
  const run = (argv: readonly string[], world?: object) => runHere(scratch.directory, argv, world);

  beforeEach(() => {
    mkdirSync(scratch.path('in'));
    writeFileSync(scratch.path('in/a.csv'), 'a\n');
    writeFileSync(scratch.path('in/b.csv'), 'bb\n');
  });

  it('upload prints the target and what it put, and the second time what it skipped', async () => {
    const first = await run(['upload', 'in', '--to', 'raw']);
    expect(first.code).to.equal(0);
    expect(first.stdout).to.equal('uploaded 2 files (5B) to store:raw/\n');
    expect(first.stderr)
      .to.match(/^-> local: /)
      .and.include('uploading 5B of 5B (100%)');
    const second = await run(['upload', 'in', '--to', 'raw/', '--json', '--quiet']);
    expect(JSON.parse(second.stdout)).to.deep.equal({
      prefix: 'raw/',
      files: 2,
      bytes: 5,
      uploaded: 0,
      uploadedBytes: 0,
      skipped: 2,
      dryRun: false,
    });
    expect((await run(['upload', 'nothing'])).code).to.equal(4);
  });

  it('ls lists as a table and as JSON lines', async () => {
    await run(['upload', 'in', '--to', 'raw']);
    const { stdout } = await run(['ls', '--tz', 'UTC']);
    expect(stdout).to.match(/^ {4}SIZE {2}MODIFIED +KEY\n {6}2B {2}\d{4}-\d\d-\d\d \d\d:\d\d UTC {2}raw\/a\.csv\n/);
    const lines = (await run(['ls', 'raw/b', '--json', '--checksums'])).stdout.trimEnd().split('\n');
    const [row] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).to.have.length(1);
    expect(row).to.include({ key: 'raw/b.csv', size: 3 });
    expect(row?.modified).to.match(/^\d{4}-.*Z$/);
    expect(row?.checksum).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(await run(['ls', 'none', '--quiet'])).to.deep.equal({ code: 0, stdout: '', stderr: '' });
  });

  it('rm asks for confirmation, refuses without it, and removes with it', async () => {
    await run(['upload', 'in']);
    expect(await run(['rm', 'a.csv'])).to.include({ code: 7, stdout: '' });
    expect(await run(['rm', 'a.csv'], { tty: true, stdin: 'n\n' })).to.include({ code: 7 });
    expect((await run(['rm', 'a.csv', '--dry-run'])).stdout).to.equal('would remove a.csv (2B)\n');
    expect((await run(['rm', 'a.csv', '--yes'])).stdout).to.equal('removed a.csv (2B)\n');
    expect((await run(['rm', 'a.csv', '--yes'])).code).to.equal(4);
    const { stdout } = await run(['rm', '*', '--yes', '--json']);
    expect(JSON.parse(stdout)).to.deep.equal({ key: 'b.csv', size: 3, dryRun: false });
  });
});

describe('the fetch command', () => {
  const place = forEachTest(openPlace);

  it('writes to a directory, a file and stdout, and says what is missing', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    const { job } = view.record;
    for (const n of [0, 2]) await publishSmall({ platform: place.platform, view }, 'price', n, `id\n${n}\n`);
    const run = (...flags: readonly string[]) => runHere(place.directory, ['fetch', job, ...flags]);

    const files = await run('-o', 'out/', '--name', '{task}.csv', '--json');
    expect(files.code).to.equal(0);
    expect(JSON.parse(files.stdout)).to.deep.equal({
      job,
      step: 'price',
      outputs: 2,
      missing: 1,
      failed: 0,
      skipped: 0,
      late: 0,
      bytes: 10,
      output: 'out/',
      guessed: null,
      kept: 0,
      others: [],
    });
    expect(files.stderr).to.include('warning: 2 of 3 outputs of price; 1 not finished, as the job is submitted\n');
    expect(readdirSync(join(place.directory, 'out'))).to.deep.equal(['000000000.csv', '000000002.csv']);

    expect((await run('-o', 'all.csv', '--header', 'once')).stdout).to.include('fetched 2 outputs of price (7B)');
    expect(readFileSync(join(place.directory, 'all.csv'), 'utf8')).to.equal('id\n0\n2\n');
    expect((await run('-o', '-')).stdout).to.equal('id\n0\nid\n2\n');
    await publishSmall({ platform: place.platform, view }, 'price', 1, '1');
    const refused = await run('-o', 'once.csv', '--header', 'once');
    expect(refused).to.include({ code: 7, stdout: '' });
    for (const text of ['price/1', '"1"', '"id"', 'hint: batchctl fetch']) expect(refused.stderr).to.include(text);
    expect(readdirSync(place.directory)).to.not.include('once.csv');
    expect((await run('-o', '-')).stdout).to.equal('id\n0\n1id\n2\n');
    expect((await run('-o', '-', '--join', 'lines')).stdout).to.equal('id\n0\n1\nid\n2\n');

    const mistakes: readonly (readonly string[])[] = [
      [],
      ['-o', '-', '--json'],
      ['-o', 'out/', '--header', 'once'],
      ['-o', 'out/', '--join', 'bytes'],
      ['-o', 'all.csv', '--name', '{task}'],
      ['-o', 'all.csv/'],
    ];
    for (const flags of mistakes) {
      const { code, stdout, stderr } = await run(...flags);
      expect({ code, stdout }, flags.join(' ')).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.include('error').and.include('hint');
    }
    expect((await run('-o', 'out/', '--step', 'none')).code).to.equal(4);
  });
});

describe('the output of run -o', () => {
  const place = forEachTest(openPlace);
  const submit = (split: string) =>
    submitJob(
      place,
      `name: a\ninput: { from: [a, b], split: { by: ${split}, every: 9 } }\nsteps: [{ name: price, run: [cat] }]\n`,
      { a: '1\n', b: '2\n' },
    );
  const run = (view: JobView, ...flags: readonly string[]) =>
    runHere(place.directory, ['run', view.record.job, '-o', 'all.csv', '--quiet', ...flags]);

  it('joins as its flags say', async () => {
    const view = await submit('lines');
    const job = { platform: place.platform, view };
    await publishSmall(job, 'price', 0, 'id');
    await publishSmall(job, 'price', 1, 'id\n2');
    await look(place.platform, view);
    mkdirSync(join(place.directory, 'out'));
    writeFileSync(join(place.directory, 'out/000000041'), 'left\n');
    const { stderr } = await run(view, '-o', 'out/');
    expect(stderr).to.include('out/ also contains entries that are not outputs of price');
    for (const [flags, text] of [
      [[], 'id\nid\n2'],
      [['--join', 'bytes'], 'idid\n2'],
      [['--header', 'once'], 'id\n2'],
      [['--header', 'once', '--join', 'bytes'], 'id2'],
    ] as const) {
      expect(await run(view, ...flags), flags.join(' ')).to.include({ code: 0 });
      expect(readFileSync(join(place.directory, 'all.csv'), 'utf8')).to.equal(text);
    }
  });

  it('writes no file if the outputs have no common header', async () => {
    const { code, stderr } = await run(await publishAll(place.platform, await submit('csv')), '--header', 'once');
    expect(code, stderr).to.equal(7);
    expect(stderr).to.match(/is not the header: expected "price 0", as in price\/0, found "price 1"/);
    expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'a', 'b', 'job.yaml']);
  });
});
