import { formatCount, formatMany } from '../../../cli/format.ts';
import { type Tone, VERDICT_SIGNS } from '../../../cli/report-html/theme.ts';
import { adjust, cancel, pause, resume, retryAll } from '../../actions/job-actions.ts';
import type { Status } from '../../api-routes.ts';
import { zone } from '../../clock.ts';
import { hashOf } from '../../hash.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { ProgressBar, ToneIcon, When } from '../../parts/marks.tsx';
import { Command } from '../../parts/section.tsx';
import { whyDenied } from '../../session.ts';
import { isOpen, notesOf, percentText, progressOf, shareDecided, stateSentence, toneOfState } from '../../words/job.ts';

export function JobHead({ status }: { readonly status: Status }) {
  const { job, name, runKey, round, state, reason, createdAt, keeper } = status;
  const progress = progressOf(status);
  const share = shareDecided(progress);
  const tone = toneOfState(state);
  return (
    <header class="job-head">
      <p class="up">
        <a href="#/jobs">Jobs</a>
      </p>
      <div class="heading">
        <h1>
          {name} <span>{runKey ?? ''}</span>
        </h1>
        <Buttons status={status} />
      </div>
      <p class="meta">
        <Command>{job}</Command>
        {round > 0 && <span>round {round}</span>}
        <span>
          submitted <When at={createdAt} />
        </span>
        {isOpen(state) && <span>{keeper === null ? 'not watched by a keeper' : `watched by ${keeper}`}</span>}
      </p>
      <div class={`verdict ${tone}`}>
        <VerdictSign tone={tone} />
        <div>
          <p class="statement">{stateSentence({ state, reason }, share === null ? null : percentText(share))}</p>
          <p>
            {sentence(status)}
            {status.detail !== null && ` ${status.detail}`}
          </p>
          <ProgressBar name={job} progress={progress} />
        </div>
      </div>
      <JobNotes status={status} />
    </header>
  );
}

function sentence(status: Status): string {
  const { total, done, failed, skipped, running, waiting } = progressOf(status);
  const of = total === null ? 'of an unknown number of tasks' : `of ${formatMany(total, 'task')}`;
  const parts = [
    `${formatCount(done)} ${of} done`,
    failed > 0 ? `${formatCount(failed)} failed for good` : 'none failed for good',
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    ...(running > 0 ? [`${formatCount(running)} running`] : []),
    ...(waiting > 0 ? [`${formatCount(waiting)} waiting`] : []),
  ];
  const asked =
    status.asked > 0 && isOpen(status.state)
      ? ` Round ${status.round} retries ${formatMany(status.asked, 'task')}; until they run, they count as failed.`
      : '';
  return `${parts.join(', ')}.${asked}`;
}

function Buttons({ status }: { readonly status: Status }) {
  const { state, job } = status;
  const { failed } = progressOf(status);
  return (
    <div class="tools">
      {failed > 0 && state !== 'cancelled' && <ActionButton action={retryAll(job, failed)} />}
      {(state === 'running' || state === 'submitted') && <ActionButton action={pause(status)} />}
      {state === 'paused' && <ActionButton action={resume(status)} />}
      {isOpen(state) && <ActionButton action={adjust(status)} />}
      {isOpen(state) && <ActionButton action={cancel(status)} />}
      {!isOpen(state) && whyDenied('submit') === null && <a href={hashOf(['submit'], { from: job })}>Run again</a>}
    </div>
  );
}

function JobNotes({ status }: { readonly status: Status }) {
  const notes = notesOf(status, zone);
  if (notes.length === 0) return null;
  return (
    <ul class="notices" aria-label={`About ${status.job}`}>
      {notes.map(({ tone, text, command }) => (
        <li key={text} class={tone ?? ''}>
          {tone !== null && <ToneIcon tone={tone} />}
          <span>
            {text} {command !== null && <Command>{command}</Command>}
          </span>
        </li>
      ))}
    </ul>
  );
}

function VerdictSign({ tone }: { readonly tone: Tone }) {
  return (
    <svg width="40" height="40" viewBox="0 0 40 40" aria-hidden="true">
      <circle cx="20" cy="20" r="19" />
      <path d={VERDICT_SIGNS[tone]} />
    </svg>
  );
}
