// Protects: an output is published only if the command's own user made it and no process changes it meanwhile; reading one
// ends with its attempt.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type LeftFile, takeOutputFile, takeOutputFiles } from '../../src/worker/left-output.ts';

const TEXT = 'mine\n';
/** Bytes: a quarter of an hour to read. */
const HUGE = 2 ** 40;

describe('an output of a command of another user', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-left-'));
    mkdirSync(join(directory, 'outputs'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const slot = (uid: number) => ({
    outputDirectory: join(directory, 'outputs'),
    own: {
      owner: { name: 'task', uid, gid: uid },
      home: directory,
      taken: (n: number) => join(directory, `taken-${n}`),
    },
  });
  const self = process.getuid?.() ?? 0;
  const messageOf = async (act: () => Promise<unknown>): Promise<string> =>
    act().then(
      () => 'no error',
      (error: unknown) => String(error),
    );

  const { signal: unended } = new AbortController();
  type Take = (uid: number, signal?: AbortSignal, size?: number) => Promise<LeftFile | null | undefined>;
  const FORMS: Readonly<Record<string, Take>> = {
    file: (uid, signal = unended, size = TEXT.length) => {
      writeFileSync(join(directory, 'output'), TEXT);
      truncateSync(join(directory, 'output'), size);
      return takeOutputFile(join(directory, 'output'), '$BATCHCTL_OUTPUT', slot(uid), signal);
    },
    files: async (uid, signal = unended, size = TEXT.length) => {
      writeFileSync(join(directory, 'outputs/a'), TEXT);
      truncateSync(join(directory, 'outputs/a'), size);
      return takeOutputFiles(slot(uid))[0]?.take(signal);
    },
  };
  for (const [form, take] of Object.entries(FORMS)) {
    it(`is moved out of its reach, copied and then removed: output: ${form}`, async () => {
      const left = await take(self);
      expect(left?.upload.consume).to.equal(undefined);
      expect([existsSync(join(directory, 'output')), existsSync(join(directory, 'outputs/a'))]).to.deep.equal([
        false,
        false,
      ]);
      expect(readFileSync(left?.path ?? '', 'utf8')).to.equal('mine\n');
      await left?.upload.check?.();
      left?.release();
      expect(existsSync(join(directory, 'taken-0'))).to.equal(false);
    });

    it(`is refused if it belongs to someone else: output: ${form}`, async () => {
      expect(await messageOf(() => take(self + 1))).to.include("is not the command's own file");
      expect(existsSync(join(directory, 'taken-0'))).to.equal(false);
    });

    it(`is read no further once its attempt has ended: output: ${form}`, async () => {
      const end = new AbortController();
      const left = take(self, end.signal, HUGE);
      end.abort(new Error('the lease is lost'));
      expect(await messageOf(() => left)).to.include('the lease is lost');
      expect(existsSync(join(directory, 'taken-0'))).to.equal(false);
    });

    it(`is refused if it was written to after it was read: output: ${form}`, async () => {
      const left = await take(self);
      appendFileSync(left?.path ?? '', 'more\n');
      expect(await messageOf(async () => left?.upload.check?.())).to.include('found a change');
      left?.release();
    });
  }
});
