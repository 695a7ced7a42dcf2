// Protects: submitting a job over a huge range can be interrupted, and does not freeze the process.
import { expect } from 'chai';
import { cut } from '../../../src/jobs/submit/cut.ts';
import type { Prepared } from '../../../src/jobs/submit/prepare.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';

describe('cutting a long range of numbers', () => {
  it('lets other work run meanwhile, and stops on request', async () => {
    const spec = { input: { from: [], split: { by: 'range', from: 1, to: 200_000 } }, maxTasks: 1_000_000, expect: [] };
    const store = new MemoryStore(() => 0);
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('told to stop')));
    const cutting = cut(store, 'job', { spec, inputs: [] } as unknown as Prepared, { signal: stop.signal });
    expect((await rejection(cutting)).message).to.equal('told to stop');
  });
});
