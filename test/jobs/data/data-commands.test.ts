// Protects: upload, ls, rm and fetch say what they did, and rm removes nothing without an answer.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { look } from '../../../src/jobs/watch/look.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { runHere } from '../run-here.ts';
import { publishAll, submitJob } from '../submitted-job.ts';

describe('the data commands', () => {
  let cwd: string;
  const run = (argv: readonly string[], world?: object) => runHere(cwd, argv, world);

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'batchctl-data-'));
    mkdirSync(join(cwd, 'in'));
    writeFileSync(join(cwd, 'in/a.csv'), 'a\n');
    writeFileSync(join(cwd, 'in/b.csv'), 'bb\n');
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  it('upload says where it writes, what it put, and the second time what it skipped', async () => {
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

  it('rm asks, refuses without an answer, and removes after a yes', async () => {
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
  it('writes to a directory, a file and stdout, and says what is missing', async () => {
    const place = await openPlace();
    try {
      const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
      const { job } = view.record;
      for (const n of [0, 2]) await publishSmall({ platform: place.platform, view }, 'price', n, `id\n${n}\n`);
      const run = (argv: readonly string[]) => runHere(place.directory, ['fetch', job, ...argv]);

      const files = await run(['-o', 'out/', '--name', '{task}.csv', '--json']);
      expect(files.code).to.equal(0);
      expect(JSON.parse(files.stdout)).to.deep.equal({
        job,
        step: 'price',
        outputs: 2,
        missing: 1,
        bytes: 10,
        output: 'out/',
        kept: 0,
        others: [],
      });
      expect(files.stderr).to.include('warning: 1 of 3 outputs of price are missing, as the job is submitted');
      expect(readdirSync(join(place.directory, 'out'))).to.deep.equal(['000000000.csv', '000000002.csv']);

      expect((await run(['-o', 'all.csv', '--header', 'once'])).stdout).to.include('fetched 2 outputs of price (7B)');
      expect(readFileSync(join(place.directory, 'all.csv'), 'utf8')).to.equal('id\n0\n2\n');
      expect((await run(['-o', '-'])).stdout).to.equal('id\n0\nid\n2\n');
      await publishSmall({ platform: place.platform, view }, 'price', 1, '1');
      const refused = await run(['-o', 'once.csv', '--header', 'once']);
      expect(refused).to.include({ code: 7, stdout: '' });
      expect(refused.stderr)
        .to.include('price/1')
        .and.include('"1"')
        .and.include('"id"')
        .and.include('hint: batchctl fetch');
      expect(readdirSync(place.directory)).to.not.include('once.csv');
      expect((await run(['-o', '-'])).stdout).to.equal('id\n0\n1id\n2\n');
      expect((await run(['-o', '-', '--join', 'lines'])).stdout).to.equal('id\n0\n1\nid\n2\n');

      const mistakes: readonly (readonly string[])[] = [
        [],
        ['-o', '-', '--json'],
        ['-o', 'out/', '--header', 'once'],
        ['-o', 'out/', '--join', 'bytes'],
        ['-o', 'all.csv', '--name', '{task}'],
        ['-o', 'all.csv/'],
      ];
      for (const argv of mistakes) {
        const { code, stdout, stderr } = await run(argv);
        expect({ code, stdout }, argv.join(' ')).to.deep.equal({ code: 2, stdout: '' });
        expect(stderr).to.include('error').and.include('hint');
      }
      expect((await run(['-o', 'out/', '--step', 'none'])).code).to.equal(4);
    } finally {
      await place.end();
    }
  });
});

describe('the output of run -o', () => {
  it('joins as its flags say', async () => {
    const place = await openPlace();
    try {
      const yaml =
        'name: a\ninput: { from: [a, b], split: { by: lines, every: 9 } }\nsteps: [{ name: price, run: [cat] }]\n';
      const view = await submitJob(place, yaml, { a: '1\n', b: '2\n' });
      const job = { platform: place.platform, view };
      await publishSmall(job, 'price', 0, 'id');
      await publishSmall(job, 'price', 1, 'id\n2');
      await look(place.platform, view);
      const run = (...flags: readonly string[]) =>
        runHere(place.directory, ['run', view.record.job, '-o', 'all.csv', '--quiet', ...flags]);
      const joined = () => readFileSync(join(place.directory, 'all.csv'), 'utf8');
      mkdirSync(join(place.directory, 'out'));
      writeFileSync(join(place.directory, 'out/000000041'), 'left\n');
      expect((await run('-o', 'out/')).stderr).to.include('out/ also contains entries that are not outputs of price');
      for (const [flags, text] of [
        [[], 'id\nid\n2'],
        [['--join', 'bytes'], 'idid\n2'],
        [['--header', 'once'], 'id\n2'],
        [['--header', 'once', '--join', 'bytes'], 'id2'],
      ] as const) {
        expect(await run(...flags), flags.join(' ')).to.include({ code: 0 });
        expect(joined()).to.equal(text);
      }
    } finally {
      await place.end();
    }
  });

  it('writes no file if the outputs have no common header', async () => {
    const place = await openPlace();
    try {
      const yaml =
        'name: a\ninput: { from: [a, b], split: { by: csv, every: 9 } }\nsteps: [{ name: price, run: [cat] }]\n';
      const view = await publishAll(place.platform, await submitJob(place, yaml, { a: '1\n', b: '2\n' }));
      const argv = ['run', view.record.job, '-o', 'all.csv', '--header', 'once'];
      const { code, stderr } = await runHere(place.directory, argv);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.match(/is not the header: expected "price 0", as in price\/0, found "price 1"/);
      expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'a', 'b', 'job.yaml']);
    } finally {
      await place.end();
    }
  });
});
