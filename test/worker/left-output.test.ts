// Protects: an output is published only if the command's own user made it and no process changes it meanwhile.
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type LeftFile, takeOutputFile, takeOutputFiles } from '../../src/worker/left-output.ts';

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

  const FORMS: Readonly<Record<string, (uid: number) => Promise<LeftFile | null | undefined>>> = {
    file: (uid) => {
      writeFileSync(join(directory, 'output'), 'mine\n');
      return takeOutputFile(join(directory, 'output'), '$BATCHCTL_OUTPUT', slot(uid));
    },
    files: async (uid) => {
      writeFileSync(join(directory, 'outputs/a'), 'mine\n');
      return takeOutputFiles(slot(uid))[0]?.take();
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

    it(`is refused if it was written to after it was read: output: ${form}`, async () => {
      const left = await take(self);
      appendFileSync(left?.path ?? '', 'more\n');
      expect(await messageOf(async () => left?.upload.check?.())).to.include('found a change');
      left?.release();
    });
  }
});
