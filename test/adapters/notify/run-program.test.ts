// Protects: a notify program receives its event safely, and one that fails or hangs is reported and ended.

import { chmodSync, existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type ProgramOptions, runProgram } from '../../../src/adapters/notify/run-program.ts';
import type { Notice } from '../../../src/ports/notifier.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';

const NOTICE: Notice = { id: 'job-1.7.failed', event: 'failed', job: 'job-1', body: '{"event":"failed"}' };

describe('a program that runs for a notification', () => {
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  const program = (text: string, mode = 0o755): string => {
    const path = scratch.path('page me.sh');
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const run = (path: string, options: Partial<ProgramOptions> = {}): Promise<void> =>
    runProgram({ path, notice: NOTICE, signal: undefined, timeoutMs: 60_000, ...options });
  const read = (name: string): string => readFileSync(scratch.path(name), 'utf8');

  it('gets the body on stdin and the event as argument, in its own directory, without a shell', async () => {
    const variables = '$BATCHCTL_EVENT $BATCHCTL_EVENT_ID $BATCHCTL_JOB';
    await run(program(`#!/bin/sh\ncat >body\necho "$# $1 ${variables}" >facts\npwd >>facts\n`));
    expect(read('body')).to.equal(NOTICE.body);
    const directory = realpathSync(scratch.directory);
    expect(read('facts')).to.equal(`1 failed failed ${NOTICE.id} job-1\n${directory}\n`);
  });

  it('may end without reading its input', async () => {
    const notice = { ...NOTICE, body: 'x'.repeat(1_048_576) };
    await run(program('#!/bin/sh\necho >ran\n'), { notice });
    expect(read('ran')).to.equal('\n');
  });

  it('can be run again if it fails; the error includes its last line', async () => {
    const failing = program('#!/bin/sh\necho first >&2\necho "no route" >&2\nexit 3\n');
    const error = await failsWith('unavailable', run(failing));
    expect(error.message).to.include('exit 3: no route');
  });

  it("is a configuration error with a hint if it can't be started", async () => {
    for (const path of [program('#!/bin/sh\n', 0o644), scratch.path('none')])
      expect((await failsWith('config', run(path))).hint).to.include('chmod');
  });

  it('is killed with all its children if it hangs', async () => {
    const hanging = program("#!/bin/sh\ntrap '' TERM\n(trap '' TERM; sleep 60) &\necho $! >child\nwait\n");
    // The time limit ends only once the program has a child.
    const limit = new AbortController();
    cleanup.replace(AbortSignal, 'timeout', () => limit.signal);
    const failure = failsWith('unavailable', run(hanging, { timeoutMs: 3_000 }));
    await until('its child is up', () => existsSync(scratch.path('child')) && read('child').endsWith('\n'));
    limit.abort();
    expect((await failure).message).to.include('not finished after 3 s');
    await until('its child is gone', () => !existsSync(`/proc/${read('child').trim()}`));
  });
});
