// Protects: a notify program receives its event safely, and one that fails or hangs is reported and ended.

import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runProgram } from '../../../src/adapters/notify/run-program.ts';
import type { BatchctlError } from '../../../src/errors.ts';
import type { Notice } from '../../../src/ports/notifier.ts';
import { rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';

const NOTICE: Notice = { id: 'job-1.7.failed', event: 'failed', job: 'job-1', body: '{"event":"failed"}' };

describe('a program that runs for a notification', () => {
  let directory: string;
  const path = (name: string): string => join(directory, name);
  const program = (text: string, mode = 0o755): string => {
    writeFileSync(path('page me.sh'), text);
    chmodSync(path('page me.sh'), mode);
    return path('page me.sh');
  };
  const run = (text: string, timeoutMs = 60_000): Promise<void> =>
    runProgram({ path: program(text), notice: NOTICE, signal: undefined, timeoutMs });
  const read = (name: string): string => readFileSync(path(name), 'utf8');

  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'batchctl-page-')));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('gets the body on stdin and the event as argument, in its own directory, without a shell', async () => {
    await run(
      '#!/bin/sh\ncat >body\necho "$# $1 $BATCHCTL_EVENT $BATCHCTL_EVENT_ID $BATCHCTL_JOB" >said\npwd >>said\n',
    );
    expect(read('body')).to.equal(NOTICE.body);
    expect(read('said')).to.equal(`1 failed failed ${NOTICE.id} job-1\n${directory}\n`);
  });

  it('may end without reading its input', async () => {
    const notice = { ...NOTICE, body: 'x'.repeat(1_048_576) };
    await runProgram({ path: program('#!/bin/sh\necho >ran\n'), notice, signal: undefined });
    expect(read('ran')).to.equal('\n');
  });

  it('is run again if it fails; its last line says why', async () => {
    const error = (await rejection(run('#!/bin/sh\necho first >&2\necho "no route" >&2\nexit 3\n'))) as BatchctlError;
    expect(error.kind).to.equal('unavailable');
    expect(error.message).to.include('exit 3: no route');
  });

  it("is a configuration error with a hint if it can't be started", async () => {
    for (const bad of [program('#!/bin/sh\n', 0o644), path('none')]) {
      const error = (await rejection(runProgram({ path: bad, notice: NOTICE, signal: undefined }))) as BatchctlError;
      expect(error.kind).to.equal('config');
      expect(error.hint).to.include('chmod');
    }
  });

  it('is killed with all its children if it hangs', async () => {
    const text = "#!/bin/sh\ntrap '' TERM\n(trap '' TERM; sleep 60) &\necho $! >child\nwait\n";
    const error = (await rejection(run(text, 3_000))) as BatchctlError;
    expect(error.message).to.include('not finished after 3 s');
    await until('its child is gone', () => !existsSync(`/proc/${read('child').trim()}`));
  });
});
