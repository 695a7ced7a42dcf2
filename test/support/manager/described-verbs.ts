import { COMMANDS } from '../../../src/cli/commands.ts';
import { openContext } from '../../../src/cli/context.ts';
import { splitGlobalFlags } from '../../../src/cli/global-flags.ts';
import { processIo } from '../../../src/cli/io.ts';
import { verbHelp } from '../../../src/cli/verb-help.ts';
import { offeredVerbs, type VerbRunner } from '../../../src/verbs/verb-runner.ts';

let sharedVerbs: Promise<VerbRunner> | null = null;

/** The verbs that a manager offers, which can't be called: the same object for all tests of a process. */
export function describedVerbs(): Promise<VerbRunner> {
  sharedVerbs ??= describeAll();
  return sharedVerbs;
}

async function describeAll(): Promise<VerbRunner> {
  const { signal } = new AbortController();
  const { flags } = splitGlobalFlags([]);
  const ctx = openContext({ flags, io: processIo(), closed: signal, signal, stopNow: signal });
  return {
    profile: 'local',
    verbs: await offeredVerbs(await verbHelp(ctx, { commands: COMMANDS })),
    call: () => {
      throw new Error('these verbs are only described');
    },
  };
}
