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
  const server = forSuite(() => ApiServer.open({ dashboard: null }));
  before(async () => {
    server.workspace.write('rows.txt', 'hidden here\n');
    server.workspace.write('job.json', SPEC);
    const metadata = { sha256: bytesChecksum(Buffer.from(ROWS)).slice('sha256:'.length) };
    await server.platform.store.put('data/inputs/rows', ROWS, { metadata });
    await server.platform.store.put(codeKey(SHA), 'no archive');
  });

  const asked = async (name: string, input: object, attachments: unknown = null): Promise<FrameEnd> => {
    const response = await server.fetch('POST', '/api/v1/verbs', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, input, yes: true, attachments }),
    });
    const frames = (await response.text()).trim().split('\n');
    return JSON.parse(frames.at(-1) ?? '{}') as FrameEnd;
  };
  const errorOf = async (name: string, input: object, attachments: unknown = null): Promise<ApiError> => {
    const end = await asked(name, input, attachments);
    if (end.error === null) throw new Error(`${name} went through`);
    expect(server.hidden).to.deep.equal([]);
    return end.error;
  };
  const job = (more: object = {}, code: string | null = null) => ({
    path: 'job.json',
    spec: { ...SPEC, ...more },
    code,
  });
  const rows = { asked: 'rows.txt', name: 'rows.txt', key: 'data/inputs/rows', size: ROWS.length };
  const input = { ...rows, checksum: bytesChecksum(Buffer.from(ROWS)) };
  const submit = { jobfile: 'job.json' };

  it('are accepted if they are what they claim to be', async () => {
    expect(await asked('submit', submit, { jobFile: job(), inputs: [input] })).to.deep.include({
      exit: 0,
      error: null,
    });
  });

  const here = (): string => server.workspace.path('job.json');
  it('never make the manager read one of its own paths, whatever field names one', async () => {
    const files = (name: string) => job({ input: { ...SPEC.input, from: name } });
    const tries: readonly (readonly [string, object, unknown])[] = [
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
      [
        'schedule add',
        { name: 'x', jobfile: 'job.json', cron: '0 0 * * *' },
        { jobFile: files('/etc/passwd'), inputs: [] },
      ],
      [
        'schedule add',
        { name: 'x', jobfile: 'job.json', calendar: 'last-business-day', holidays: '/etc/hostname' },
        { jobFile: files('store:x'), inputs: [] },
      ],
      [
        'schedule add',
        { name: 'x', jobfile: 'job.json', cron: '0 0 * * *' },
        { jobFile: job({ input: { ...SPEC.input, from: 'store:x' }, deliver: { to: '/tmp/there' } }), inputs: [] },
      ],
      ['report', { job: 'last', output: '/tmp/report' }, null],
      ['verify', { job: 'last', output: '/tmp/proof' }, null],
      ['fetch', { job: 'last', output: '/tmp/there/' }, null],
      ['fetch', { job: 'last', output: '-' }, null],
      ['fetch', { job: 'last' }, null],
      ['verify', { check: '/etc/passwd' }, null],
      ['run', { jobfile: here(), saveJob: '/tmp/job' }, null],
    ];
    for (const [name, given, attachments] of tries) {
      const { kind, message } = await errorOf(name, given, attachments);
      expect(kind, `${name} ${JSON.stringify(given)}: ${message}`).to.be.oneOf(['usage', 'jobFile']);
      expect(message).not.to.match(/root:|hidden here|ENOENT|EISDIR/);
    }
  });

  it('never make the manager run one of its own programs', async () => {
    const notify = [{ on: ['failed'], to: 'exec:/bin/true' }];
    expect(await errorOf('submit', submit, { jobFile: job({ notify }), inputs: [input] })).to.include({
      kind: 'jobFile',
    });
  });

  for (const key of [
    'tokens/x',
    'jobs/x/job.json',
    'data/../tokens/x',
    'data/inputs/../../x',
    'data/',
    '/etc/passwd',
  ]) {
    it(`are rejected if they name an input at ${key}`, async () => {
      expect(await errorOf('submit', submit, { jobFile: job(), inputs: [{ ...input, key }] })).to.include({
        kind: 'usage',
      });
    });
  }

  it('are rejected if their bytes are not the declared ones', async () => {
    const put = (change: object) => ({ jobFile: job(), inputs: [{ ...input, ...change }] });
    expect(await errorOf('submit', submit, put({ size: 3 }))).to.include({ kind: 'changed' });
    expect(await errorOf('submit', submit, put({ checksum: `sha256:${OTHER}` }))).to.include({ kind: 'changed' });
    expect(await errorOf('submit', submit, put({ key: 'data/inputs/none' }))).to.include({ kind: 'notFound' });
  });

  it('are rejected if their code is missing, damaged or under another hash', async () => {
    const files = { files: ['up.sh'] };
    const sent = (code: string | null) => ({ jobFile: job(files, code), inputs: [input] });
    expect(await errorOf('submit', submit, sent(null))).to.include({ kind: 'usage' });
    expect(await errorOf('submit', submit, sent('../../tokens/x'))).to.include({ kind: 'usage' });
    expect(await errorOf('submit', submit, sent(OTHER))).to.include({ kind: 'notFound' });
    expect(await errorOf('submit', submit, sent(SHA))).to.include({ kind: 'corrupt' });
  });

  it('are rejected if they are nested without end', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const body = `{"spec": {"name": "deep", "steps": ${deep}}}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await server.fetch('POST', '/api/v1/jobs', { headers, body });
    expect(answer.status).to.equal(413);
    expect(await answer.text()).to.contain('at most 64 nested lists and maps');
    expect(server.hidden).to.deep.equal([]);
  });

  it('are never submitted if they were only for a plan', async () => {
    const planned = { files: ['up.sh'], cut: null };
    const sent = { jobFile: job({ files: ['up.sh'] }, OTHER), inputs: [input], planned };
    expect(await errorOf('submit', submit, sent)).to.include({ kind: 'usage' });
    expect(await server.platform.store.head(codeKey(OTHER))).to.equal(null);
    expect(await asked('plan', submit, sent)).to.deep.include({ exit: 0 });
  });

  it('are rejected in another form, naming the field', async () => {
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
