import { formatCount, formatMany, groupDigits, localizeInstants } from '../../../cli/format.ts';
import { formatSize } from '../../../lib/units.ts';
import { endsOfResult, outputsText } from '../../../model/completeness-text.ts';
import { proofsPrefix } from '../../../model/keys.ts';
import { prove } from '../../actions/job-actions.ts';
import type { Proof, Status, StoredProof } from '../../api-routes.ts';
import { zone } from '../../clock.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { Mark, ToneIcon, When } from '../../parts/marks.tsx';
import { Command, Empty, QueryStatus, Section } from '../../parts/section.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { useQuery } from '../../use-query.ts';
import { isOpen } from '../../words/job.ts';

/** A job's newest stored proof: its control totals, what it names, and what breaks it. */
export function ProofPage({ status }: { readonly status: Status }) {
  const { job, state, round } = status;
  const listed = useQuery('objectList', { prefix: proofsPrefix(job) }, { when: `${state} ${round}` });
  const last = listed.document?.items.at(-1) ?? null;
  const proof = useQuery('proof', last === null ? null : { key: last.key, through: true });
  const lead = 'What batchctl verify found, read from the store alone. Each proof names the one before it.';
  const tools = isOpen(state) ? undefined : <ActionButton action={prove(job)} />;
  return (
    <>
      <Section title="Proof" lead={lead} tools={tools}>
        <QueryStatus query={listed} what="proofs" />
        {listed.document !== null && last === null && (
          <Empty command={`batchctl verify ${job}`}>
            {isOpen(state)
              ? 'There is no proof yet: a job is proven once it has ended.'
              : 'This job has not been verified yet.'}
          </Empty>
        )}
        {last !== null && <QueryStatus query={proof} what="the proof" />}
        {last !== null && proof.document !== null && (
          <Statement stored={proof.document} objectKey={last.key} status={status} />
        )}
      </Section>
      {proof.document !== null && <Details proof={proof.document.result} />}
    </>
  );
}

interface StatementProps {
  readonly stored: StoredProof;
  readonly objectKey: string;
  readonly status: Status;
}

function Statement({ stored: { result: proof, who, when }, objectKey, status }: StatementProps) {
  const { verdict, deep, checked, problems, warnings } = proof;
  const tone = verdict === 'proven' ? 'good' : 'bad';
  const outdated = proof.round !== status.round || proof.state !== status.state;
  return (
    <>
      <p class="task-now">
        <Mark tone={tone}>{verdict === 'proven' ? 'proven' : 'not proven'}</Mark>
        <span>
          as {proof.state}
          {proof.round > 0 && `, round ${proof.round}`}, by {who}, <When at={when} />
        </span>
        <span class="muted">
          {formatMany(checked.parts, 'part')} of {formatMany(checked.inputs, 'input')} ({formatSize(checked.bytes)}),{' '}
          {outputsText(endsOfResult(proof))}, {deep ? 'every byte read' : 'without reading their bytes'}
        </span>
      </p>
      {outdated && (
        <p class="alarm">
          The job has changed since: it is {status.state}, in round {status.round}. Verify it again.
        </p>
      )}
      <Notices findings={problems} tone="bad" name="Problems" />
      <Notices findings={warnings} tone="doubtful" name="Warnings" />
      <p class="note">
        Stored as <code>{objectKey}</code>. The complete evidence, for an auditor:{' '}
        <Command>{`batchctl verify ${proof.job} -o proof.ndjson`}</Command>
      </p>
    </>
  );
}

interface NoticesProps {
  readonly findings: Proof['problems'];
  readonly tone: 'bad' | 'doubtful';
  readonly name: string;
}

function Notices({ findings, tone, name }: NoticesProps) {
  if (findings.length === 0) return null;
  return (
    <ul class="notices" aria-label={name}>
      {findings.map(({ code, message }) => (
        <li key={`${code} ${message}`} class={tone}>
          <ToneIcon tone={tone} />
          <span>{localizeInstants(message, zone)}</span>
        </li>
      ))}
    </ul>
  );
}

type Total = Proof['expectations'][number];
type StepProof = Proof['steps'][number];
type Skip = Proof['skips'][number];

const TOTALS: readonly Column<Total>[] = [
  { title: 'control total', cell: ({ equation }) => <code>{equation}</code> },
  { title: 'left', kind: 'number', cell: ({ left }) => (left === null ? '–' : groupDigits(left)) },
  { title: 'right', kind: 'number', cell: ({ right }) => (right === null ? '–' : groupDigits(right)) },
  {
    title: 'result',
    cell: ({ ok, accepted }) =>
      accepted === undefined ? (
        <Mark tone={ok ? 'good' : 'bad'}>{ok ? 'holds' : 'not met'}</Mark>
      ) : (
        <Mark tone="doubtful">{`not met, accepted by ${accepted.who}: ${accepted.reason}`}</Mark>
      ),
  },
];

const number = (name: 'tasks' | 'published'): Column<StepProof> => ({
  title: name,
  kind: 'number',
  cell: (step) => formatCount(step[name]),
});
const fault = (name: 'failed' | 'skipped' | 'missing'): Column<StepProof> => ({
  title: name,
  kind: 'number',
  cell: (step) => <span class={step[name] > 0 ? 'strong' : 'muted'}>{formatCount(step[name])}</span>,
});

const STEPS: readonly Column<StepProof>[] = [
  { title: 'step', cell: ({ name }) => name },
  number('tasks'),
  number('published'),
  fault('failed'),
  fault('skipped'),
  fault('missing'),
];

const SKIPS: readonly Column<Skip>[] = [
  { title: 'tasks', cell: ({ step, tasks }) => `${step}/${tasks}` },
  { title: 'reason', kind: 'text', cell: ({ reason }) => reason },
  { title: 'who', cell: ({ who }) => who },
  { title: 'when', cell: ({ when }) => <When at={when} /> },
];

function Details({ proof }: { readonly proof: Proof }) {
  const { expectations, steps, skips, failed, late, missing } = proof;
  return (
    <>
      {expectations.length > 0 && (
        <Section title="Control totals" lead="Added up from the outputs themselves, in exact decimals.">
          <Table caption="Control totals" rows={expectations} columns={TOTALS} keyOf={({ equation }) => equation} />
        </Section>
      )}
      <Section title="Steps" lead="Each task's end, as the store has it.">
        <Table caption="Steps of the proof" rows={steps} columns={STEPS} keyOf={({ name }) => name} />
      </Section>
      {skips.length > 0 && (
        <Section title="Skipped" lead="By people, with their reasons.">
          <Table
            caption="Skipped tasks"
            rows={skips}
            columns={SKIPS}
            keyOf={({ step, tasks, when }) => `${step}/${tasks} ${when}`}
          />
        </Section>
      )}
      <Named title="Missing" lead="Neither published nor failed for good." tasks={missing} />
      <Named title="Failed for good" lead="Their chains end without a result." tasks={failed} />
      <Named title="Late" lead="Published after a gather had opened without them: kept, never used." tasks={late} />
    </>
  );
}

/** Tasks shown of a list. */
const SHOWN = 100;

function Named({
  title,
  lead,
  tasks,
}: {
  readonly title: string;
  readonly lead: string;
  readonly tasks: readonly string[];
}) {
  if (tasks.length === 0) return null;
  const more = tasks.length > SHOWN ? `, and ${formatCount(tasks.length - SHOWN)} more` : '';
  return (
    <Section title={title} lead={lead}>
      <p>{`${tasks.slice(0, SHOWN).join(', ')}${more}`}</p>
    </Section>
  );
}
