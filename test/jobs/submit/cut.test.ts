// Protects: submitting a job over a huge range can be interrupted, and does not freeze the process.
import { expect } from 'chai';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { cut } from '../../../src/jobs/submit/cut.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import { submissionRequest } from '../../support/submission-request.ts';

describe('cutting a long range of numbers', () => {
  it('lets other work run meanwhile, and stops on request', async () => {
    const yaml =
      'name: long\ninput: { split: { by: range, from: 1, to: 200000 } }\nsteps: [{ name: price, run: cat }]\n';
    const store = new MemoryStore(() => 0);
    const prepared = await prepare(submissionRequest(parseJobFile(yaml, { file: 'job.yaml' }), '/'), store);
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('stopped')));
    const cutting = cut(store, 'job', prepared, { signal: stop.signal });
    expect((await rejection(cutting)).message).to.equal('stopped');
  });
});
