import { useEffect } from 'preact/hooks';
import { API } from '../../../model/api.ts';
import type { Status } from '../../answers.ts';
import { useFeed } from '../../feed/use-feed.ts';
import { jobHash } from '../../hash.ts';
import { NotLive } from '../../parts/page-header.tsx';
import { announce, Loading, Problem } from '../../parts/section.tsx';
import { route } from '../../route.ts';
import { shownJob } from '../../tab.ts';
import { isOpen } from '../../words/job-state.ts';
import { JobHistory } from './history.tsx';
import { JobHead } from './job-head.tsx';
import { JobNow } from './job-now.tsx';
import { TaskPage } from './task.tsx';
import { TasksPage } from './tasks.tsx';

/** All about one job; it is followed for as long as it is looked at. */
export function JobView({ job }: { readonly job: string }) {
  const path = `${API}/jobs/${encodeURIComponent(job)}/events`;
  const { value: status, health } = useFeed<Status>(path, 'status');
  useEnd(status);
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
        <Page job={job} name="" words="Now" shown={page} />
        <Page job={job} name="tasks" words="Tasks" shown={page} />
        <Page job={job} name="history" words="History" shown={page} />
      </nav>
      {page === 'tasks' && step !== undefined && task !== undefined && (
        <TaskPage key={`${step}/${task}`} status={status} task={`${step}/${task}`} />
      )}
      {page === 'tasks' && task === undefined && <TasksPage status={status} />}
      {page === 'history' && <JobHistory status={status} />}
      {page !== 'tasks' && page !== 'history' && <JobNow status={status} />}
    </>
  );
}

interface PageProps {
  readonly job: string;
  readonly name: string;
  readonly words: string;
  readonly shown: string;
}

function Page({ job, name, words, shown }: PageProps) {
  const href = name === '' ? jobHash(job) : jobHash(job, name);
  return (
    <a href={href} aria-current={shown === name ? 'page' : undefined}>
      {words}
    </a>
  );
}

/** Tells who doesn't see it that the job has ended, or that something has paused it. */
function useEnd(status: Status | null): void {
  const state = status?.state;
  const job = status?.job;
  useEffect(() => {
    if (state !== undefined && (!isOpen(state) || state === 'paused')) announce(`${job} is ${state}`);
  }, [job, state]);
}
