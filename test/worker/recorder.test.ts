// Protects: events that a worker could not write to the ledger are written later, in order, in bounded memory, and
// never lost silently.
import { expect } from 'chai';
import { BatchctlError, type ErrorKind } from '../../src/errors.ts';
import type { AttemptEvent } from '../../src/model/ledger/records.ts';
import { Recorder } from '../../src/worker/recorder.ts';
import { event } from '../contracts/ledger-events.ts';
import { until } from '../support/until.ts';

describe("a worker's recorder", () => {
  const recorded: number[] = [];
  const warnings: string[] = [];
  const errors: unknown[] = [];
  let refusal: ErrorKind | null = null;
  let writes = 0;
  let recorder: Recorder;
  beforeEach(() => {
    for (const list of [recorded, warnings, errors]) list.length = 0;
    refusal = null;
    writes = 0;
    recorder = new Recorder({
      ledger: async () => ({
        record: async (events: readonly AttemptEvent[]) => {
          if (refusal !== null) throw new BatchctlError(refusal, 'the ledger refuses');
          writes += 1;
          recorded.push(...events.map(({ task }) => task));
        },
      }),
      log: { info: () => undefined, warn: (line) => warnings.push(line) },
      onError: (error) => errors.push(error),
    });
  });

  const record = (task: number): Promise<void> => recorder.record(event('done', task));

  it('keeps events while the ledger is unavailable, and writes them in order later', async () => {
    refusal = 'unavailable';
    for (const task of [0, 1, 2]) await record(task);
    refusal = null;
    await record(3);
    await until('all are written', () => recorded.length === 4);
    expect(recorded).to.deep.equal([0, 1, 2, 3]);
    await record(4);
    await recorder.close();
    expect(recorded).to.deep.equal([0, 1, 2, 3, 4]);
    // Once, and not for each event.
    expect(warnings).to.have.length(1);
  });

  it('writes what it kept when it closes, and warns of what it could not write', async () => {
    refusal = 'unavailable';
    await record(0);
    refusal = null;
    await recorder.close();
    expect(recorded).to.deep.equal([0]);
    refusal = 'unavailable';
    await record(1);
    await recorder.close();
    expect(warnings.at(-1)).to.match(/events: 1.*batchctl ledger rebuild/);
  });

  it('keeps at most 20,000 events, the newest, and counts those it dropped', async () => {
    refusal = 'unavailable';
    await record(0);
    await Promise.all(Array.from({ length: 20_500 }, (_, index) => record(index + 1)));
    refusal = null;
    await recorder.close();
    expect([recorded.length, recorded[0], recorded.at(-1)]).to.deep.equal([20_000, 501, 20_500]);
    expect(warnings.at(-1)).to.match(/events: 501/);
  });

  it('writes the start of an attempt with the next event, in order, or when it closes', async () => {
    recorder.recordStart(event('running', 0));
    recorder.recordStart(event('running', 1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(recorded).to.deep.equal([]);
    await record(2);
    expect(recorded).to.deep.equal([0, 1, 2]);
    expect(writes).to.equal(1);
    recorder.recordStart(event('running', 3));
    await recorder.close();
    expect(recorded).to.deep.equal([0, 1, 2, 3]);
  });

  it('writes a start alone if nothing else happens', async () => {
    recorder.recordStart(event('running', 0));
    await until('it is written', () => recorded.length === 1);
  });

  it('reports a ledger that is full when a start is written', async () => {
    refusal = 'full';
    recorder.recordStart(event('running', 0));
    await recorder.close();
    expect(errors[0]).to.have.property('kind', 'full');
  });

  it('rejects if the ledger is full, and reports one that becomes full while events are kept', async () => {
    refusal = 'full';
    expect(await record(0).catch((error: unknown) => error)).to.have.property('kind', 'full');
    refusal = 'unavailable';
    await record(1);
    refusal = 'full';
    await until('it is reported', () => errors.length > 0);
    expect(errors[0]).to.have.property('kind', 'full');
    await recorder.close();
  });
});
