import { mustReadView } from '../../jobs/journal.ts';
import type { JobView } from '../../model/view.ts';
import type { Manager } from '../../ports/manager.ts';
import type { Context } from '../context.ts';
import { errorOf, runVerb } from './send-verb.ts';

const ID = /^[a-z][a-z0-9-]*-\d{8}-\d{4}-[a-z0-9]{5}$/;

/** The id of the job that a text means (`last`, a prefix ...), which the manager knows. Throws as `findJob` does. */
export async function jobIdBehind(ctx: Context, manager: Manager, text: string | undefined): Promise<string> {
  if (text !== undefined && ID.test(text)) return text;
  let said = '';
  const { error } = await runVerb({
    ...{ ctx, manager, nature: 'looks', look: 'batchctl jobs' },
    asked: {
      name: 'status',
      input: text === undefined ? {} : { job: text },
      flags: { json: true, quiet: true, verbose: false, yes: false, dryRun: false, tz: null },
      ...{ terminal: null, attachments: null },
    },
    sink: (more) => {
      said += more;
    },
  });
  if (error !== null) throw errorOf(error);
  return (JSON.parse(said) as { readonly job: string }).job;
}

/** The job itself, read from the manager's store. */
export async function jobBehind(ctx: Context, manager: Manager, text: string): Promise<JobView> {
  return mustReadView(manager.store, await jobIdBehind(ctx, manager, text));
}
