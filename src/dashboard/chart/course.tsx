import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatRate } from '../../cli/format.ts';
import { formatDuration } from '../../lib/units.ts';
import type { Report } from '../answers.ts';
import { isDark } from '../scheme.ts';
import { type Columns, columnsOf } from './bins.ts';
import type { Plots } from './plot.ts';

/** A job's throughput over time. The plotting library is loaded with the first of them. */
export function Course({ throughput }: { readonly throughput: Report['throughput'] }) {
  const holder = useRef<HTMLDivElement>(null);
  const failed = useSignal(false);
  const columns = columnsOf(throughput);
  const key = JSON.stringify(throughput);
  const dark = isDark();
  const drawn = useRef<{ readonly plots: Plots; readonly dark: boolean } | null>(null);
  useEffect(() => {
    const { current } = holder;
    if (current === null || columns === null) return undefined;
    let wanted = true;
    const draw = (drawPlots: (holder: HTMLElement, columns: Columns) => Plots): void => {
      const before = drawn.current;
      if (!wanted || (before?.dark === dark && before.plots.update(columns))) return;
      // A page that is shorter or longer for a moment would be scrolled.
      current.style.height = `${current.offsetHeight}px`;
      before?.plots.remove();
      drawn.current = { plots: drawPlots(current, columns), dark };
      current.style.height = '';
    };
    import('./plot.ts').then(
      ({ drawPlots }) => draw(drawPlots),
      () => {
        failed.value = true;
      },
    );
    return () => {
      wanted = false;
    };
  }, [key, dark]);
  useEffect(() => () => drawn.current?.plots.remove(), []);
  if (columns === null) return <p class="note">No task has ended yet.</p>;
  return (
    <figure class="course">
      <div ref={holder} role="img" aria-label={summaryOf(throughput)} />
      {failed.value && <p class="note">The chart could not be loaded. {summaryOf(throughput)}</p>}
    </figure>
  );
}

/** The chart in a sentence, for who doesn't see it. */
function summaryOf({ bins, seconds }: Report['throughput']): string {
  const rates = bins.map(({ done }) => done / seconds);
  const last = rates.at(-2) ?? rates.at(-1) ?? 0;
  const trouble = bins.reduce((sum, { failed, retried, interrupted }) => sum + failed + retried + interrupted, 0);
  const span = formatDuration(bins.length * seconds);
  return `Tasks done over ${span}: at most ${formatRate(Math.max(...rates))}, ${formatRate(last)} lately; ${trouble} attempts did not end well.`;
}
