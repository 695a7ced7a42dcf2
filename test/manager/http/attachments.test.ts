// Protects: callers can submit their files and code, and cannot make the manager read or run its own.
import { expect } from 'chai';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import type { ApiError, FrameEnd } from '../../../src/model/api.ts';
import { codeKey } from '../../../src/model/keys.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';

const SPEC = {
  name: 'claims',
  input: { from: 'rows.txt', split: { by: 'lines', every: 1 } },
  steps: [{ name: 'one', run: 'cat' }],
};
const ROWS = 'one\ntwo\n';
const [SHA, OTHER] = ['a'.repeat(64), 'b'.repeat(64)];

describe('files and code sent by a caller', () => {
  const server = forSuite(() => ApiServer.open());
  before(async () => {
    server.workspace.write('rows.txt', 'hidden here\n');
    server.workspace.write('job.json', SPEC);
    const metadata = { sha256: bytesChecksum(Buffer.from(ROWS)).slice('sha256:'.length) };
    await server.platform.store.put('data/inputs/rows', ROWS, { metadata });
    await server.platform.store.put(codeKey(SHA), 'no archive');
  });

  const call = async (name: string, input: object, attachments: unknown = null): Promise<FrameEnd> => {
    const response = await server.command(name, input, {}, { yes: true, attachments });
    const frames = (await response.text()).trim().split('\n');
    return JSON.parse(frames.at(-1) ?? '{}') as FrameEnd;
  };
  const errorOf = async (name: string, input: object, attachments: unknown = null): Promise<ApiError> => {
    const end = await call(name, input, attachments);
    if (end.error === null) throw new Error(`expected an error of ${name}`);
    expect(server.hidden).to.deep.equal([]);
    return end.error;
  };
  const job = (changed: object = {}, code: string | null = null) => ({
    path: 'job.json',
    spec: { ...SPEC, ...changed },
    code,
  });
  const input = {
    asked: 'rows.txt',
    name: 'rows.txt',
    key: 'data/inputs/rows',
    size: ROWS.length,
    checksum: bytesChecksum(Buffer.from(ROWS)),
  };
  const submit = { jobfile: 'job.json' };

  it('are accepted if their bytes have the declared size and checksum', async () => {
    const end = await call('submit', submit, { jobFile: job(), inputs: [input] });
    expect(end).to.deep.include({ exit: 0, error: null });
  });

  const here = (): string => server.workspace.path('job.json');
  it('never make the manager read one of its own paths, whatever field names one', async () => {
    const files = (name: string) => job({ input: { ...SPEC.input, from: name } });
    const daily = { name: 'x', jobfile: 'job.json', cron: '0 0 * * *' };
    const monthly = { name: 'x', jobfile: 'job.json', calendar: 'last-business-day', holidays: '/etc/hostname' };
    const fromStore = { input: { ...SPEC.input, from: 'store:x' } };
    const calls: readonly (readonly [string, object, unknown])[] = [
      ['submit', { jobfile: here() }, null],
      ['submit', { jobfile: here() }, { jobFile: job(), inputs: [] }],
      ['plan', { jobfile: here() }, null],
      ['submit', submit, { jobFile: job(), inputs: [] }],
      ['submit', submit, { jobFile: files(server.workspace.path('rows.txt')), inputs: [] }],
      ['submit', { ...submit, input: ['/etc/passwd'] }, { jobFile: job(), inputs: [input] }],
      ['submit', { ...submit, input: ['-'] }, { jobFile: job(), inputs: [input] }],
      ['submit', submit, { jobFile: job({ files: ['/etc/passwd'] }), inputs: [input] }],
      ['submit', submit, { jobFile: job({ files: ['rows.txt'] }), inputs: [input] }],
      ['submit', submit, { jobFile: job({ deliver: { to: '/tmp/there' } }), inputs: [input] }],
      ['retry', { job: 'last', with: here() }, null],
      ['resume', { job: 'last', with: here() }, null],
      ['schedule add', daily, { jobFile: files('/etc/passwd'), inputs: [] }],
      ['schedule add', monthly, { jobFile: job(fromStore), inputs: [] }],
      ['schedule add', daily, { jobFile: job({ ...fromStore, deliver: { to: '/tmp/there' } }), inputs: [] }],
      ['report', { job: 'last', output: '/tmp/report' }, null],
      ['verify', { job: 'last', output: '/tmp/proof' }, null],
      ['fetch', { job: 'last', output: '/tmp/there/' }, null],
      ['fetch', { job: 'last', output: '-' }, null],
      ['fetch', { job: 'last' }, null],
      ['verify', { check: '/etc/passwd' }, null],
      ['run', { jobfile: here(), saveJob: '/tmp/job' }, null],
    ];
    for (const [name, verbInput, attachments] of calls) {
      const { kind, message } = await errorOf(name, verbInput, attachments);
      expect(kind, `${name} ${JSON.stringify(verbInput)}: ${message}`).to.be.oneOf(['usage', 'jobFile']);
      expect(message).not.to.match(/root:|hidden here|ENOENT|EISDIR/);
    }
  });

  it('never make the manager run one of its own programs', async () => {
    const notify = [{ on: ['failed'], to: 'exec:/bin/true' }];
    const error = await errorOf('submit', submit, { jobFile: job({ notify }), inputs: [input] });
    expect(error).to.include({ kind: 'jobFile' });
  });

  const submitError = (changed: object): Promise<ApiError> =>
    errorOf('submit', submit, { jobFile: job(), inputs: [{ ...input, ...changed }] });

  for (const key of [
    'tokens/x',
    'jobs/x/job.json',
    'data/../tokens/x',
    'data/inputs/../../x',
    'data/',
    '/etc/passwd',
  ]) {
    it(`are rejected if they name an input at ${key}`, async () => {
      expect(await submitError({ key })).to.include({ kind: 'usage' });
    });
  }

  it('are rejected if their bytes are not the declared ones', async () => {
    expect(await submitError({ size: 3 })).to.include({ kind: 'changed' });
    expect(await submitError({ checksum: `sha256:${OTHER}` })).to.include({ kind: 'changed' });
    expect(await submitError({ key: 'data/inputs/none' })).to.include({ kind: 'notFound' });
  });

  it('are rejected if their code is missing, damaged or under another hash', async () => {
    for (const [code, kind] of [
      [null, 'usage'],
      ['../../tokens/x', 'usage'],
      [OTHER, 'notFound'],
      [SHA, 'corrupt'],
    ] as const) {
      const error = await errorOf('submit', submit, { jobFile: job({ files: ['up.sh'] }, code), inputs: [input] });
      expect(error, code ?? '').to.include({ kind });
    }
  });

  it('are rejected if they are nested too deeply', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const body = `{"spec": {"name": "deep", "steps": ${deep}}}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await server.fetch('POST', '/api/v1/jobs', { headers, body });
    expect(answer.status).to.equal(413);
    expect(await answer.text()).to.contain('at most 64 nested lists and maps');
    expect(server.hidden).to.deep.equal([]);
  });

  it('are never submitted if they are only for a plan', async () => {
    const planned = { files: ['up.sh'], cut: null };
    const sent = { jobFile: job({ files: ['up.sh'] }, OTHER), inputs: [input], planned };
    expect(await errorOf('submit', submit, sent)).to.include({ kind: 'usage' });
    expect(await server.platform.store.head(codeKey(OTHER))).to.equal(null);
    expect(await call('plan', submit, sent)).to.deep.include({ exit: 0 });
  });

  it('are rejected if they have another form, with the name of the field', async () => {
    for (const [sent, field] of [
      [{ jobFile: 'job.json', inputs: [] }, 'jobFile'],
      [{ jobFile: job(), inputs: [{ ...input, size: -1 }] }, 'inputs.0.size'],
      [{ jobFile: job(), inputs: [{ ...input, checksum: 'md5:x' }] }, 'inputs.0.checksum'],
      [{ jobFile: job(), inputs: [], texts: { a: 1 } }, 'texts.a'],
      [{ jobFile: job(), inputs: [], planned: { files: [], cut: { parts: 'x' } } }, 'planned.cut'],
    ] as const) {
      const { kind, message } = await errorOf('submit', submit, sent);
      expect(kind).to.equal('usage');
      expect(message).to.include(`attachments.${field}`);
    }
  });
});
