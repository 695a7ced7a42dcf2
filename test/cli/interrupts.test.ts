// Protects: a command may have any number of requests that end with its interrupt; Node.js warns from the eleventh.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { listenForInterrupts } from '../../src/cli/io.ts';
import { RunningVerbs } from '../../src/manager/manager.ts';
import type { VerbCall } from '../../src/verbs/remote-caller.ts';
import type { VerbResponse } from '../../src/verbs/verb-runner.ts';
import { fakeIo } from './fake-io.ts';

describe('the signal that ends a command', () => {
  /** The warnings of Node.js after eleven listeners were added to each signal. */
  async function warningsFor(signals: readonly AbortSignal[]): Promise<readonly string[]> {
    const warnings: string[] = [];
    const collect = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', collect);
    for (const signal of signals) for (let n = 0; n < 11; n += 1) signal.addEventListener('abort', () => n);
    await nextTurn();
    process.off('warning', collect);
    return warnings;
  }

  it('accepts any number of listeners on the command line', async () => {
    const { signal, now, end } = listenForInterrupts(fakeIo());
    expect(await warningsFor([signal, now])).to.deep.equal([]);
    end();
  });

  it('accepts any number of listeners in a manager', async () => {
    const signals: AbortSignal[] = [];
    const call = async ({ signal }: VerbCall): Promise<VerbResponse> => {
      signals.push(signal);
      return { answer: {}, exitCode: 0, error: null };
    };
    const verbs = new RunningVerbs({ profile: 'default', verbs: [], call }, () => undefined);
    const { signal } = new AbortController();
    await verbs.call({
      name: 'verify',
      input: {},
      who: 'me',
      scope: 'operate',
      attachments: null,
      dryRun: false,
      yes: false,
      tz: null,
      signal,
      report: () => {},
      warn: () => {},
      notice: () => {},
      row: async () => 0,
    });
    expect(signals).to.have.length(1);
    expect(await warningsFor(signals)).to.deep.equal([]);
  });
});
