import { useEffect } from 'preact/hooks';
import { localizeInstants } from '../../../cli/format.ts';
import { API, PAGE } from '../../../model/api.ts';
import type { Status } from '../../api-routes.ts';
import { zone } from '../../clock.ts';
import { useFeed } from '../../feed/feed.ts';
import { jobHash } from '../../hash.ts';
import { When } from '../../parts/marks.tsx';
import { NotLive } from '../../parts/page-header.tsx';
import { announce, LazyPart, Loading, MorePages, Problem, QueryStatus, Section } from '../../parts/section.tsx';
import { Table } from '../../parts/table.tsx';
import { route } from '../../route.ts';
import { shownJob } from '../../tab.ts';
import { useList } from '../../use-query.ts';
import { isOpen } from '../../words/job.ts';
import { JobHead } from './job-head.tsx';
import { JobOverview } from './job-overview.tsx';

export function JobView({ job }: { readonly job: string }) {
  const path = `${API}/jobs/${encodeURIComponent(job)}/events`;
  const { value: status, health } = useFeed<Status>(path, 'status');
  useEndAnnouncement(status);
  useEffect(() => {
    shownJob.value = { job, status, health };
  }, [job, status, health]);
  useEffect(
    () => () => {
      shownJob.value = null;
    },
    [],
  );
  if (health.state === 'refused') {
    return (
      <>
        <p class="up">
          <a href="#/jobs">Jobs</a>
        </p>
        <h1>{job}</h1>
        <Problem error={health.error} />
      </>
    );
  }
  if (status === null) return <Loading what={job} />;
  const [, page = '', step, task] = route.value.names;
  return (
    <>
      {health.state === 'lost' && <NotLive of={health} />}
      <JobHead status={status} />
      <nav class="pages" aria-label={`Pages of ${status.job}`}>
        {PAGES.map(([words, ...names]) => (
          <a key={words} href={jobHash(job, ...names)} aria-current={page === (names[0] ?? '') ? 'page' : undefined}>
            {words}
          </a>
        ))}
      </nav>
      {page === 'tasks' && step !== undefined && task !== undefined && (
        <LazyPart load={loadTask} key={`${step}/${task}`} status={status} step={step} number={task} />
      )}
      {page === 'tasks' && task === undefined && <LazyPart load={loadTasks} status={status} />}
      {page === 'results' && <LazyPart load={loadResults} status={status} />}
      {page === 'proof' && <LazyPart load={loadProof} status={status} />}
      {page === 'file' && <LazyPart load={loadFile} status={status} />}
      {page === 'history' && <JobHistory status={status} />}
      {page === '' && <JobOverview status={status} />}
    </>
  );
}

/** The pages of a job: their titles, and their names in the address. */
const PAGES = [
  ['Overview'],
  ['Tasks', 'tasks'],
  ['Results', 'results'],
  ['Proof', 'proof'],
  ['Job file', 'file'],
  ['History', 'history'],
] as const;

const loadTask = async () => (await import('./task.tsx')).TaskPage;
const loadTasks = async () => (await import('./tasks.tsx')).TasksPage;
const loadResults = async () => (await import('./results.tsx')).ResultsPage;
const loadProof = async () => (await import('./proof.tsx')).ProofPage;
const loadFile = async () => (await import('./job-file.tsx')).JobFilePage;

/** Announces to screen readers that the job has ended or was paused. */
function useEndAnnouncement(status: Status | null): void {
  const state = status?.state;
  const job = status?.job;
  useEffect(() => {
    if (state !== undefined && (!isOpen(state) || state === 'paused')) announce(`${job} is ${state}`);
  }, [job, state]);
}

const EVERY_MS = 10_000;

function JobHistory({ status: { job, state, round } }: { readonly status: Status }) {
  const when = `${state} ${round}`;
  const history = useList('history', { job, limit: PAGE.most }, { when, ...(isOpen(state) && { everyMs: EVERY_MS }) });
  const entries = history.document?.items;
  return (
    <Section title="History" lead="The job's journal: who did what, and when. Latest first.">
      <QueryStatus query={history} what="history" />
      <MorePages list={history}>Show later entries</MorePages>
      {entries !== undefined && (
        <Table
          caption={`History of ${job}`}
          rows={[...entries].reverse()}
          keyOf={({ number }) => number ?? 'accepted'}
          columns={[
            { title: 'when', cell: ({ when }) => <When at={when} /> },
            { title: 'who', cell: ({ who }) => who },
            { title: 'what', kind: 'text', cell: ({ text }) => localizeInstants(text, zone) },
          ]}
        />
      )}
    </Section>
  );
}
