import type { Comparison, Figure } from '../model/report/compare.ts';
import { paintFor } from './colors.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { renderTable } from './render-table.ts';
import { formatChange, formatFigure } from './report-figures.ts';

/** Two jobs' figures side by side, as text. */
export async function comparedText(ctx: Context, compared: Comparison): Promise<string> {
  const { job, createdAt, perTask, figures, regressions } = compared;
  const paint = paintFor(ctx, ctx.io.stdout);
  const known = figures.filter(({ before, now }) => before !== null || now !== null);
  const table = await renderTable(ctx, known, [
    { title: 'figure', value: nameOf, min: 12 },
    { title: 'before', value: (figure) => formatFigure(figure.before, figure), align: 'right' },
    { title: 'now', value: (figure) => formatFigure(figure.now, figure), align: 'right' },
    { title: 'change', value: formatChange, align: 'right', tint: tintOf },
  ]);
  const when = formatInstant(Date.parse(createdAt), await ctx.zone());
  const sizes = perTask ? ['the jobs differ in size: figures that grow with it are compared per task'] : [];
  const lines = [`compared with ${job}, of ${when}`, ...sizes, '', table];
  if (regressions.length > 0) lines.push('', ...regressions.map((text) => `${paint('bad', 'worse:')} ${text}`));
  return lines.join('\n');
}

function nameOf({ step, name, code, perTask }: Figure): string {
  const what = `${code === 'counter' ? 'counter ' : ''}${name}${perTask ? ' per task' : ''}`;
  return step === null ? what : `${step} ${what}`;
}

function tintOf({ better, change, regressed }: Figure): 'good' | 'bad' | null {
  if (regressed) return 'bad';
  if (better === null || change === null || Math.abs(change) < 0.05) return null;
  return change < 0 === (better === 'less') ? 'good' : null;
}
