import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { Rest } from '../../src/worker/machine-rest.ts';

describe('a protection that Auto Scaling refuses to change', () => {
  it('is asked for ever more seldom, and again at once after it was changed', async () => {
    const times: number[] = [];
    let refusals = 6;
    const rest = new Rest({
      machine: {
        protect: async () => {
          times.push(performance.now());
          refusals -= 1;
          if (refusals >= 0) throw new BatchctlError('unavailable', 'throttled');
          return true;
        },
      },
      times: { restMs: 60_000, lookMs: 10 },
      log: { info: () => undefined, warn: () => undefined },
      monotonic: () => performance.now(),
      idleSince: () => null,
      isAside: () => false,
      backlog: async () => 0,
      consider: async () => undefined,
      onLook: () => undefined,
      onTooLate: () => undefined,
      signal: new AbortController().signal,
      mayPass: () => false,
    });
    expect(await rest.enter()).to.equal(true);
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    // 10, 20, 40, 80, 120 and 120 ms, give or take a tenth.
    expect(gaps).to.have.length(6);
    expect(gaps[4]).to.be.at.least(100);
    rest.exit();
    [refusals, times.length] = [1, 0];
    expect(await rest.enter()).to.equal(true);
    expect((times[1] ?? 0) - (times[0] ?? 0)).to.be.below(100);
  });
});
