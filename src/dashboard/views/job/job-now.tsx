import { formatCount, formatLeft, formatMany, formatRate } from '../../../cli/format.ts';
import type { Report, Status } from '../../answers.ts';
import { Course } from '../../chart/course.tsx';
import { now, zone } from '../../clock.ts';
import { type Figure, Figures, When } from '../../parts/marks.tsx';
import { Loading, Problem, Section } from '../../parts/section.tsx';
import { useAsk } from '../../use-ask.ts';
import { costText, marginOf, rangeText } from '../../words/job-notes.ts';
import { isOpen, progressOf } from '../../words/job-state.ts';
import { Causes } from './causes.tsx';
import { Counters } from './counters.tsx';
import { Findings } from './findings.tsx';
import { Slowest } from './slowest.tsx';
import { Steps } from './steps.tsx';

/** The report reads what attempts left behind: not for each picture of a job that runs. */
const REPORT_EVERY_MS = 10_000;

/** How a job stands now. */
export function JobNow({ status }: { readonly status: Status }) {
  const { job, state, round } = status;
  const open = isOpen(state);
  const report = useAsk('report', { job }, { when: `${state} ${round}`, ...(open && { everyMs: REPORT_EVERY_MS }) });
  const document = report.document as Report | null;
  return (
    <>
      <Figures figures={figuresOf(status)} />
      <Findings status={status} />
      <Causes status={status} />
      <Steps status={status} />
      <Counters status={status} />
      <Section title="Throughput" lead="What was done, what went wrong, and how much ran at once.">
        {document !== null && <Course throughput={document.throughput} />}
        {document === null && report.error !== null && <Problem error={report.error} again={report.again} />}
        {document === null && report.error === null && <Loading what="what has happened so far" />}
      </Section>
      {document !== null && document.slowest.length > 0 && <Slowest job={job} slowest={document.slowest} />}
    </>
  );
}

function figuresOf(status: Status): readonly Figure[] {
  const { rate, eta, workers, state } = status;
  const { failed, skipped, retried, interrupted, done } = progressOf(status);
  const open = isOpen(state);
  const cost = costText(status);
  return [
    {
      ...{ name: 'Tasks done', value: formatCount(done) },
      note: rate === null ? (open ? 'no rate yet' : 'at its end') : `${formatRate(rate)} lately`,
    },
    endFigure(status, eta),
    deadlineFigure(status),
    { name: 'Cost', value: cost?.main ?? '–', note: cost?.note ?? 'nothing is known of it', tone: cost?.tone ?? null },
    {
      ...{ name: 'Failed for good', value: formatCount(failed), tone: failed > 0 ? 'bad' : null },
      note: skipped > 0 ? `${formatMany(skipped, 'task')} skipped` : failed > 0 ? 'causes are below' : 'no task',
    },
    { name: 'Tried again', value: formatCount(retried), note: 'failed attempts' },
    { name: 'Interrupted', value: formatCount(interrupted), note: 'attempts given back unharmed' },
    { name: 'Workers', value: formatCount(workers.running), note: formatMany(workers.slots, 'slot') },
  ];
}

function endFigure(status: Status, eta: number | null): Figure {
  const { closedAt, notBefore, projected } = status;
  if (closedAt !== null) return { name: 'Ended', value: <Short at={closedAt} />, note: <When at={closedAt} /> };
  if (notBefore !== null && Date.parse(notBefore) > now.value)
    return { name: 'Begins', value: <Short at={notBefore} />, note: <When at={notBefore} /> };
  if (projected === null || eta === null) return { name: 'Ends', value: '–', note: 'not known yet' };
  const range = rangeText(status, zone);
  const note = [formatLeft(eta), ...(range === null ? [] : [range])].join('; ');
  return { name: 'Ends about', value: <Short at={projected} />, note };
}

function deadlineFigure(status: Status): Figure {
  const margin = marginOf(status, zone, now.value);
  if (margin === null) return { name: 'Deadline', value: '–', note: 'none; Adjust sets one' };
  return { name: 'Deadline', value: margin.margin, note: margin.detail, tone: margin.tone };
}

/** `05:40`: the time of the day. */
function Short({ at }: { readonly at: string }) {
  return <time dateTime={at}>{new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}</time>;
}
