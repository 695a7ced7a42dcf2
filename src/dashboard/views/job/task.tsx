import { retryTask, skipTask } from '../../actions/job-actions.ts';
import type { Log, Status, Task } from '../../answers.ts';
import { ActButton } from '../../parts/act-button.tsx';
import { Command, Empty, Loading, LogBox, Problem, Section } from '../../parts/section.tsx';
import { Table } from '../../parts/table.tsx';
import { useAsk } from '../../use-ask.ts';
import { isOpen, progressOf } from '../../words/job-state.ts';
import { attemptColumns } from './task-columns.tsx';

const EVERY_MS = 5_000;
/** Of a log so much is shown, from its end, characters. */
const SHOWN = 100_000;

/** One task: its attempts, and what they wrote. */
export function TaskPage({ status, task }: { readonly status: Status; readonly task: string }) {
  const { job, state, round } = status;
  const { done, failed } = progressOf(status);
  const often = { when: `${state} ${round} ${done} ${failed}`, ...(isOpen(state) && { everyMs: EVERY_MS }) };
  const attempts = useAsk('tasks', { job, task }, often);
  const logs = useAsk('logs', { job, task }, often);
  const rows = attempts.document?.items as readonly Task[] | undefined;
  const texts = logs.document?.items as readonly Log[] | undefined;
  const last = rows?.at(-1);
  const tools = state !== 'cancelled' && last?.state.startsWith('fail') === true && (
    <>
      <ActButton action={retryTask(job, task)} />
      <ActButton action={skipTask(job, task)} />
    </>
  );
  return (
    <>
      <Section title={`Task ${task}`} lead="Every attempt that was recorded, the first first." tools={tools}>
        {attempts.error !== null && <Problem error={attempts.error} again={attempts.again} />}
        {rows === undefined && attempts.error === null && <Loading what="attempts" />}
        {rows?.length === 0 && <Empty>No attempt has been recorded.</Empty>}
        {rows !== undefined && rows.length > 0 && (
          <Table
            caption={`Attempts of ${task}`}
            rows={rows}
            columns={attemptColumns}
            keyOf={(row) => `${row.attempt}`}
          />
        )}
        <p class="note">
          To run it here, with its input, code and environment:{' '}
          <Command>{`batchctl reproduce ${job} ${task} --run`}</Command>
        </p>
      </Section>
      <Section title="Logs" lead="What the attempts wrote to stderr.">
        {logs.error !== null && <Problem error={logs.error} again={logs.again} />}
        {texts === undefined && logs.error === null && <Loading what="logs" />}
        {texts?.length === 0 && <Empty>No attempt has written anything to stderr.</Empty>}
        {texts?.map(({ attempt, text }) => (
          <LogText key={attempt} attempt={attempt} text={text} />
        ))}
      </Section>
    </>
  );
}

function LogText({ attempt, text }: { readonly attempt: string; readonly text: string }) {
  const shown = text.length <= SHOWN ? text : text.slice(-SHOWN);
  return (
    <figure class="log-of">
      <figcaption>
        attempt <code>{attempt}</code>
        {shown !== text && `, the last ${SHOWN.toLocaleString('en')} characters`}
      </figcaption>
      <LogBox name={`Log of attempt ${attempt}`} text={shown} />
    </figure>
  );
}
