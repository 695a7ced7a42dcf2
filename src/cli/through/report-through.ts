import { resolve } from 'node:path';
import { formatSize } from '../../lib/units.ts';
import { print } from '../render.ts';
import { openReportFile } from '../report-file.ts';
import { type Asking, errorOf, runVerb, sendingOf, sendVerb } from './send-verb.ts';

/** `report`: with `-o FILE` what the manager prints becomes that file, whole or not at all. */
export async function reportThrough(asking: Asking): Promise<number> {
  const { ctx } = asking;
  const { output, ...given } = asking.given;
  const printed = { ...asking, given };
  if (typeof output !== 'string' || output === '-') return sendVerb(await sendingOf(printed));
  const file = await openReportFile(resolve(ctx.io.cwd, output));
  const format = given.format ?? (ctx.flags.json ? 'json' : 'table');
  try {
    const sending = await sendingOf({ ...asking, given: { ...given, format } });
    const flags = { ...sending.asked.flags, json: false };
    const { exitCode, error } = await runVerb({
      ...sending,
      // For a file: colours and widths are no terminal's.
      asked: { ...sending.asked, flags, terminal: null },
      sink: (text) => file.write(text),
    });
    // One that compares worse than allowed is a report all the same.
    if (error !== null && error.kind !== 'finding') throw errorOf(error);
    ctx.notice(`wrote ${output} (${formatSize(await file.commit())})`);
    if (ctx.flags.json && format !== 'json') await printJson(asking, given);
    if (error !== null) throw errorOf(error);
    return exitCode;
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/** With a file and `--json`, stdout has the JSON. */
async function printJson(asking: Asking, { format: _, ...given }: Readonly<Record<string, unknown>>): Promise<void> {
  const { ctx } = asking;
  const { error } = await runVerb({
    ...(await sendingOf({ ...asking, given })),
    sink: (text) => print(ctx, Buffer.from(text)),
  });
  if (error !== null && error.kind !== 'finding') throw errorOf(error);
}
