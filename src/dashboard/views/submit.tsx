import { useSignal } from '@preact/signals';
import { useId, useMemo } from 'preact/hooks';
import { formatCount, formatMany } from '../../cli/format.ts';
import { formatSize } from '../../lib/units.ts';
import { PAGE } from '../../model/api.ts';
import type { Overrides } from '../../model/journal.ts';
import { jobKey } from '../../model/keys.ts';
import { type Change, changesOf, foldOverrides, recordInForce } from '../../model/overrides.ts';
import type { AcceptedJob, Entry, PlanOf, Submission } from '../api-routes.ts';
import { asCallError, type CallError, call } from '../call.ts';
import { zone } from '../clock.ts';
import { jobHash } from '../hash.ts';
import { ToneIcon } from '../parts/marks.tsx';
import { announce, Problem, QueryStatus, Section } from '../parts/section.tsx';
import { route } from '../route.ts';
import { whyDenied } from '../session.ts';
import { whyOffline } from '../tab.ts';
import { changes, useQuery } from '../use-query.ts';
import { useJobFile } from './job/job-file.tsx';

/** Submits a job from a form: a new one, or another run of the job that the address names. */
export function SubmitView() {
  const from = route.value.query.get('from');
  const record = useQuery('record', from === null ? null : { key: jobKey(from), through: true });
  const history = useQuery('history', from === null ? null : { job: from, limit: PAGE.most });
  const earlier = useMemo(
    () => record.document && history.document && changedJob(record.document, history.document.items),
    [record.document, history.document],
  );
  const text = useJobFile(earlier?.inForce ?? null);
  if (from !== null && (earlier === null || text === null)) {
    return (
      <>
        <h1>Submit a job</h1>
        <QueryStatus query={record.document === null ? record : history} what={from} />
      </>
    );
  }
  return (
    <>
      <h1>Submit a job</h1>
      {earlier !== null && earlier.changes.length > 0 && <Changes of={earlier} />}
      <SubmitForm key={from} earlier={earlier?.inForce ?? null} text={text ?? EXAMPLE} />
    </>
  );
}

/** A job with what its retries changed. */
interface ChangedJob {
  readonly inForce: AcceptedJob;
  readonly changes: readonly Change[];
}

function changedJob(record: AcceptedJob, entries: readonly (Entry & { readonly overrides?: Overrides })[]): ChangedJob {
  const overrides = entries
    .filter(({ what }) => what === 'retry')
    .reduce<Overrides>((before, { overrides = {} }) => foldOverrides(before, overrides), {});
  return { inForce: recordInForce(record, overrides), changes: changesOf(record, [{}], overrides, 0) };
}

function Changes({ of: { inForce, changes } }: { readonly of: ChangedJob }) {
  const shown = (value: unknown): string =>
    value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
  return (
    <div class="calm">
      <p>{inForce.job} was retried with changes, which are in the job file below:</p>
      <ul aria-label="Changes since the job was accepted">
        {changes.map(({ field, from, to }) => (
          <li key={field}>
            <code>{field}</code>: {shown(to)} (accepted with: {shown(from)})
          </li>
        ))}
      </ul>
    </div>
  );
}

const EXAMPLE = `name: numbers
input:
  split: { by: range, from: 1, to: 10 }
steps:
  - name: square
    run: read n; echo $((n * n))
  - name: sum
    gather: true
    run: "awk '{ sum += $1 } END { print sum }'"
`;

interface Form {
  readonly spec: string;
  readonly runKey: string;
  readonly period: string;
  readonly inputs: string;
  readonly params: string;
  readonly finishBy: string;
  readonly again: boolean;
}

type Stage =
  | { readonly at: 'editing' }
  | { readonly at: 'working' }
  | { readonly at: 'failed'; readonly error: CallError }
  | { readonly at: 'planned'; readonly plan: PlanOf; readonly warnings: readonly string[] }
  | { readonly at: 'submitted'; readonly job: string; readonly created: boolean };

function SubmitForm({ earlier, text }: { readonly earlier: AcceptedJob | null; readonly text: string }) {
  const form = useSignal<Form>(formOf(earlier, text));
  const stage = useSignal<Stage>({ at: 'editing' });
  const denied = whyOffline() ?? whyDenied('submit');
  const set = (changed: Partial<Form>): void => {
    form.value = { ...form.value, ...changed };
    if (stage.value.at !== 'working') stage.value = { at: 'editing' };
  };
  const isBusy = (): boolean => stage.value.at === 'working' || stage.value.at === 'submitted';
  const act = async (work: () => Promise<Stage>): Promise<void> => {
    // A second press after a submission would start another run.
    if (isBusy() || denied !== null) return;
    stage.value = { at: 'working' };
    try {
      stage.value = await work();
    } catch (error) {
      stage.value = { at: 'failed', error: asCallError(error) };
    }
  };
  const check = (): Promise<void> =>
    act(async () => {
      const { document: plan, warnings } = await call('plan', submissionOf(form.value, earlier));
      announce('checked');
      return { at: 'planned', plan, warnings };
    });
  const submit = (): Promise<void> =>
    act(async () => {
      const { document } = await call('submit', submissionOf(form.value, earlier));
      changes.value += 1;
      announce(document.created ? `submitted ${document.job}` : `${document.job} exists already`);
      return { at: 'submitted', job: document.job, created: document.created };
    });
  const { value: now } = stage;
  const local = earlier?.inputs.find(({ source }) => source.kind === 'file' || source.kind === 'pipe');
  return (
    <form
      class="submit"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {local !== undefined && (
        <p class="alarm">
          {earlier?.job} read files of {earlier?.host}, such as {local.name}. A manager reads no files: upload them with
          batchctl upload and name them below, or run the job again on that machine.
        </p>
      )}
      <Area
        label="Job file"
        hint="YAML or JSON, at most 16 KiB; its inputs are in the store or in a bucket"
        rows={18}
        required
        value={form.value.spec}
        onValue={(spec) => set({ spec })}
      />
      <Line label="Run key" hint="with a key, this run happens only once" of="runKey" form={form.value} set={set} />
      <Line label="Period" hint="the value of {period}: 2026-11" of="period" form={form.value} set={set} />
      <Area
        label="Inputs"
        hint="one a line, in place of the job file's: store:KEY, s3://BUCKET/KEY, job:JOB/STEP"
        rows={2}
        value={form.value.inputs}
        onValue={(inputs) => set({ inputs })}
      />
      <Area
        label="Parameters"
        hint="NAME=VALUE, one a line"
        rows={2}
        value={form.value.params}
        onValue={(params) => set({ params })}
      />
      <Line
        label="Deadline"
        hint={`18:30, tomorrow 06:00 or in 6h; time zone ${zone}`}
        of="finishBy"
        form={form.value}
        set={set}
      />
      <p class="field flag">
        <input
          type="checkbox"
          id="submit-again"
          checked={form.value.again}
          onChange={(event) => set({ again: event.currentTarget.checked })}
        />
        <label for="submit-again">Start another run if the run key exists</label>
      </p>
      {denied !== null && <p class="alarm">{denied}</p>}
      {now.at === 'failed' && <Problem error={now.error} />}
      {now.at === 'planned' && <PlanSummary plan={now.plan} warnings={now.warnings} />}
      {now.at === 'submitted' && (
        <div class="calm">
          <p>
            <b>{now.created ? 'Submitted.' : 'Nothing was submitted: the run key has this job already.'}</b>{' '}
            <a href={jobHash(now.job)}>{now.job}</a>
          </p>
        </div>
      )}
      <p class="buttons">
        <button type="submit" class="primary" aria-disabled={denied !== null || isBusy()}>
          {now.at === 'working' ? 'Working...' : 'Submit'}
        </button>
        <button type="button" onClick={() => void check()} aria-disabled={denied !== null || isBusy()}>
          Check first
        </button>
      </p>
    </form>
  );
}

/** Another run keeps inputs that a manager can read. Its spec has the parameters already. */
function formOf(earlier: AcceptedJob | null, spec: string): Form {
  const inputs = earlier?.inputs ?? [];
  const names = inputs.flatMap(({ source }) => {
    if (source.kind === 'store') return [`store:${source.key.replace(/^data\//, '')}`];
    return source.kind === 's3' ? [`s3://${source.bucket}/${source.key}`] : [];
  });
  return {
    spec,
    runKey: earlier?.runKey ?? '',
    period: earlier?.period ?? '',
    inputs: names.join('\n'),
    params: '',
    finishBy: '',
    again: earlier?.runKey !== null && earlier !== null,
  };
}

const linesOf = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));

function submissionOf(
  { spec, runKey, period, inputs, params, finishBy, again }: Form,
  earlier: AcceptedJob | null,
): Submission {
  const code = earlier?.code ?? null;
  const key = runKey.trim();
  return {
    spec,
    ...(code !== null && { code }),
    ...(key !== '' && { runKey: key, again }),
    ...(period.trim() !== '' && { period: period.trim() }),
    ...(finishBy.trim() !== '' && { finishBy: finishBy.trim() }),
    ...(linesOf(inputs).length > 0 && { input: linesOf(inputs) }),
    ...(linesOf(params).length > 0 && { set: linesOf(params) }),
    tz: zone,
  };
}

function PlanSummary({ plan, warnings }: { readonly plan: PlanOf; readonly warnings: readonly string[] }) {
  const { inputs, bytes, parts, steps, existing } = plan;
  return (
    <Section title="What would be submitted">
      {existing !== null && (
        <p>
          The run key has the job <a href={jobHash(existing.job)}>{existing.job}</a>
          {existing.sameContent ? ', with the same content' : ', with other content'}.
        </p>
      )}
      <p>
        {formatMany(inputs.length, 'input')} ({formatSize(bytes)}), {formatMany(parts, 'part')}.
      </p>
      <ul>
        {steps.map(({ name, group, tasks }) => (
          <li key={name}>
            {name}:{' '}
            {tasks === null ? 'a task for each file' : `${formatCount(tasks)} ${tasks === 1 ? 'task' : 'tasks'}`}, group{' '}
            {group}
          </li>
        ))}
      </ul>
      {warnings.length > 0 && (
        <ul class="notices" aria-label="Warnings">
          {warnings.map((warning) => (
            <li key={warning} class="doubtful">
              <ToneIcon tone="doubtful" />
              <span>{warning}</span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

interface AreaProps {
  readonly label: string;
  readonly hint: string;
  readonly rows: number;
  readonly required?: boolean;
  readonly value: string;
  readonly onValue: (value: string) => void;
}

function Area({ label, hint, rows, required = false, value, onValue }: AreaProps) {
  const id = useId();
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        required={required}
        spellcheck={false}
        aria-describedby={`${id}-hint`}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      <small id={`${id}-hint`}>{hint}</small>
    </p>
  );
}

interface LineProps {
  readonly label: string;
  readonly hint: string;
  readonly of: 'runKey' | 'period' | 'finishBy';
  readonly form: Form;
  readonly set: (changed: Partial<Form>) => void;
}

function Line({ label, hint, of, form, set }: LineProps) {
  const id = useId();
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        aria-describedby={`${id}-hint`}
        value={form[of]}
        onInput={(event) => set({ [of]: event.currentTarget.value })}
      />
      <small id={`${id}-hint`}>{hint}</small>
    </p>
  );
}
