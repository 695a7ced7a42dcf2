import { formatCount, formatMany } from '../../../cli/format.ts';
import { paramsText, placeText } from '../../../model/part.ts';
import { retryCause, skipCause, unskipCause } from '../../actions/job-actions.ts';
import type { Cause, Status } from '../../api-routes.ts';
import { hashOf, taskHash } from '../../hash.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { Ago } from '../../parts/marks.tsx';
import { FixSteps, LogBox, QueryStatus, Section } from '../../parts/section.tsx';
import { useQuery } from '../../use-query.ts';
import { isOpen, progressOf } from '../../words/job.ts';

const EVERY_MS = 15_000;

/** Causes of tasks that failed for good, each with an example of its output and the actions for it. */
export function Causes({ status }: { readonly status: Status }) {
  const { job, round, state } = status;
  const { failed, skipped } = progressOf(status);
  const some = failed + skipped > 0;
  const failures = useQuery('failures', some ? { job } : null, {
    when: `${state} ${round} ${failed} ${skipped}`,
    ...(isOpen(state) && { everyMs: EVERY_MS }),
  });
  if (!some) return null;
  const causes = failures.document?.items;
  return (
    <Section title="Causes" lead="Tasks that failed for good, grouped by step, exit code and last error line.">
      {causes === undefined ? (
        <QueryStatus query={failures} what="causes" />
      ) : (
        <ol class="causes">
          {causes.map((cause) => (
            <CauseItem key={cause.cause} job={job} cause={cause} canRetry={state !== 'cancelled'} />
          ))}
        </ol>
      )}
    </Section>
  );
}

function CauseItem({
  job,
  cause,
  canRetry,
}: {
  readonly job: string;
  readonly cause: Cause;
  readonly canRetry: boolean;
}) {
  const { step, exitCode, reason, error, count, skippedCount, last, example, workers, badInput, facets, fix } = cause;
  const how = exitCode === null ? reason : `${reason} ${exitCode}`;
  return (
    <li>
      <div class="cause-head">
        <p class="cause-count">
          <b class={count > 0 ? 'bad' : 'muted'}>{formatCount(count)}</b> <span>{step}</span>
        </p>
        <div class="cause-words">
          <p class="error">{(count + skippedCount === 1 ? example.error : error) ?? 'nothing on stderr'}</p>
          <p class="meta">
            <span>{how}</span>
            <span>
              cause <code>{cause.cause}</code>
            </span>
            <span>
              last <Ago at={last} />
            </span>
            <span>on {formatMany(workers, 'worker')}</span>
            {badInput > 0 && <span>{formatMany(badInput, 'task')} probably with bad input</span>}
            {skippedCount > 0 && <span>{formatCount(skippedCount)} skipped</span>}
          </p>
          {facets.map(({ text }) => (
            <p key={text} class="facet">
              {text}
            </p>
          ))}
        </div>
        <div class="tools">
          {count > 0 && canRetry && canHelp(fix) && <ActionButton action={retryCause(job, cause)} />}
          {count > 0 && canRetry && <ActionButton action={skipCause(job, cause)} />}
          {skippedCount > 0 && canRetry && <ActionButton action={unskipCause(job, cause)} />}
        </div>
      </div>
      {count > 0 && canRetry && fix !== null && <FixSteps fix={fix} />}
      <details>
        <summary>
          For example {step}/{example.task}
          {example.input !== null && `, of ${example.input}`}
          {example.place !== null && `, ${placeText(example.place)}`}
          {example.params !== null && `, with ${paramsText(example.params)}`}
        </summary>
        {example.tail.length > 0 ? (
          <LogBox name={`Log of ${step}/${example.task}`} text={example.tail.join('\n')} />
        ) : (
          <p class="note">Nothing was written to stderr.</p>
        )}
        <p class="note">
          <a href={taskHash(job, `${step}/${example.task}`)}>
            All attempts and logs of {step}/{example.task}
          </a>
          {example.worker !== null && `, which ran on ${example.worker}`}. Tasks: {shown(cause.tasks || cause.skipped)}{' '}
          {count > 0 && (
            <a href={hashOf(['jobs', job, 'tasks'], { step, state: 'failed', cause: cause.cause })}>
              List or select {count === 1 ? 'it' : `all ${formatCount(count)}`}
            </a>
          )}
        </p>
      </details>
    </li>
  );
}

/** Whether a retry helps: at once, or once something is restored. */
const canHelp = (fix: string | null): boolean => fix === null || fix.includes('batchctl retry ');

/** Characters shown of a set of tasks. */
const SET_SHOWN = 160;

const shown = (set: string): string =>
  set.length <= SET_SHOWN ? set : `${set.slice(0, set.lastIndexOf(',', SET_SHOWN))},...`;
