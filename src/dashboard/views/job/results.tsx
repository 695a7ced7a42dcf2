import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatCount, formatMany } from '../../../cli/format.ts';
import { formatSize } from '../../../lib/units.ts';
import { jobKey, outPrefix } from '../../../model/keys.ts';
import type { AcceptedJob, Status, StoredObject } from '../../api-routes.ts';
import { asCallError, type CallError, call } from '../../call.ts';
import { taskHash } from '../../hash.ts';
import { readOutputMeta, saveObject } from '../../objects.ts';
import { When } from '../../parts/marks.tsx';
import { Command, Empty, Loading, Problem, QueryStatus, Section } from '../../parts/section.tsx';
import { Choice, type Column, Table } from '../../parts/table.tsx';
import { replaceQuery, route } from '../../route.ts';
import { useQuery } from '../../use-query.ts';
import { progressOf } from '../../words/job.ts';

/** Rows fetched at a time: a job may have a million outputs. */
const PAGE = 50;

/** A job's data: its inputs, and the outputs of a step, each to save. */
export function ResultsPage({ status }: { readonly status: Status }) {
  const { job, steps, prunedAt } = status;
  const step = route.value.query.get('step') ?? steps.at(-1)?.name ?? '';
  const { done } = progressOf(status);
  return (
    <>
      <Section
        title="Outputs"
        lead={
          <>
            What the tasks of a step have published. To fetch them all, verified:{' '}
            <Command>{`batchctl fetch ${job} --step ${step} -o results/`}</Command>
          </>
        }
      >
        <form class="filter" onSubmit={(event) => event.preventDefault()}>
          <Choice
            id="results-step"
            label="Step"
            value={step}
            first
            choices={steps.map(({ name }) => [name, name] as const)}
            onValue={(chosen) => replaceQuery({ step: chosen })}
          />
        </form>
        {prunedAt === null ? (
          <Outputs key={`${step} ${done === 0}`} job={job} step={step} />
        ) : (
          <Empty>The outputs were removed by batchctl prune.</Empty>
        )}
      </Section>
      <Inputs job={job} />
    </>
  );
}

interface StepProps {
  readonly job: string;
  readonly step: string;
}

function Outputs({ job, step }: StepProps) {
  const listed = useSignal<readonly StoredObject[]>([]);
  const next = useSignal<string | null>('');
  const busy = useSignal(false);
  const error = useSignal<CallError | null>(null);
  const load = async (signal?: AbortSignal): Promise<void> => {
    if (busy.peek()) return;
    busy.value = true;
    try {
      const after = next.peek();
      const input = { prefix: outPrefix(job, step), limit: PAGE, ...(after && { after }) };
      const { document } = await call('objectList', input, signal);
      listed.value = [...listed.peek(), ...document.items];
      next.value = document.next;
      error.value = null;
    } catch (caught) {
      if (signal?.aborted === true) return;
      error.value = asCallError(caught);
    }
    busy.value = false;
  };
  useEffect(() => {
    const stop = new AbortController();
    void load(stop.signal);
    return () => stop.abort();
  }, []);
  const columns: readonly Column<StoredObject>[] = [
    { title: 'task', cell: ({ key }) => <a href={taskHash(job, taskOf(step, key))}>{taskOf(step, key)}</a> },
    { title: 'published', cell: ({ modified }) => <When at={modified} /> },
    { title: 'output', kind: 'text', cell: ({ key, size }) => <Output of={{ job, step }} stored={key} size={size} /> },
  ];
  if (listed.value.length === 0 && busy.value) return <Loading what="outputs" />;
  return (
    <>
      {error.value !== null && <Problem error={error.value} again={() => void load()} />}
      {listed.value.length === 0 && error.value === null && <Empty>No task of this step has published yet.</Empty>}
      {listed.value.length > 0 && (
        <Table caption={`Outputs of ${step}`} rows={listed.value} columns={columns} keyOf={({ key }) => key} />
      )}
      {next.value !== null && listed.value.length > 0 && (
        <p class="buttons">
          <button type="button" onClick={() => void load()} aria-disabled={busy.value}>
            {busy.value ? 'Loading...' : `Show ${PAGE} more`}
          </button>
        </p>
      )}
    </>
  );
}

const taskOf = (step: string, key: string): string => `${step}/${Number(key.split('/').at(-1))}`;

interface StoredFile {
  readonly key: string;
  readonly name: string;
  readonly size: number;
  readonly checksum: string;
}

interface OutputProps {
  readonly of: StepProps;
  readonly stored: string;
  /** The object's size: of a manifest, not of the output. */
  readonly size: number;
}

/** Reads what an output consists of when asked to save it: one file, or those that its manifest names. */
function Output({ of, stored, size }: OutputProps) {
  const files = useSignal<readonly StoredFile[] | null>(null);
  const busy = useSignal(false);
  const error = useSignal<CallError | null>(null);
  const act = async (work: () => Promise<void>): Promise<void> => {
    if (busy.peek()) return;
    [busy.value, error.value] = [true, null];
    try {
      await work();
    } catch (caught) {
      error.value = asCallError(caught);
    }
    busy.value = false;
  };
  const name = `${of.job}-${taskOf(of.step, stored).replace('/', '-')}`;
  const saveFile = (file: StoredFile): Promise<void> => act(() => saveObject(file.key, fileNameOf(name, file), file));
  const save = (): Promise<void> =>
    act(async () => {
      const found = await filesOf(stored, size);
      const [only] = found;
      if (found.length === 1 && only?.name === '') await saveObject(only.key, name, only);
      else files.value = found;
    });
  return (
    <>
      {files.value === null ? (
        <button type="button" onClick={() => void save()} aria-disabled={busy.value}>
          {busy.value ? 'Reading...' : 'Download'}
          <span class="sr"> the output of {taskOf(of.step, stored)}</span>
        </button>
      ) : (
        <ul class="tasks">
          {files.value.map((file) => (
            <li key={file.name}>
              <button type="button" class="quiet" onClick={() => void saveFile(file)} aria-disabled={busy.value}>
                {file.name}
              </button>{' '}
              <span class="muted">{formatSize(file.size)}</span>
            </li>
          ))}
        </ul>
      )}
      {files.value?.length === 0 && <span class="muted">no files</span>}
      {error.value !== null && <Problem error={error.value} />}
    </>
  );
}

const fileNameOf = (name: string, file: StoredFile): string => file.name.split('/').at(-1) || name;

async function filesOf(key: string, size: number): Promise<readonly StoredFile[]> {
  const { manifest, checksum } = await readOutputMeta(key);
  if (manifest !== true) return [{ key, name: '', size, checksum }];
  return (await call('manifest', { key, through: true })).document.files;
}

type Input = AcceptedJob['inputs'][number];

/** A record of more bytes is not fetched: it has one line for each input. */
const MOST_RECORD = 4 * 2 ** 20;

function Inputs({ job }: { readonly job: string }) {
  const listed = useQuery('objectList', { prefix: jobKey(job), limit: 1 });
  const size = listed.document?.items[0]?.size ?? null;
  const fits = size !== null && size <= MOST_RECORD;
  const record = useQuery('record', fits ? { key: jobKey(job), through: true } : null);
  const inputs = record.document?.inputs ?? null;
  const shown = useSignal(PAGE);
  return (
    <Section
      title="Inputs"
      lead={
        inputs === null ? undefined : `${formatMany(inputs.length, 'input')}, as they were when the job was accepted.`
      }
    >
      {listed.document === null && <QueryStatus query={listed} what="inputs" />}
      {size !== null && !fits && (
        <Empty command={`batchctl verify ${job} -o proof.ndjson`}>Too many to show here.</Empty>
      )}
      {fits && <QueryStatus query={record} what="inputs" />}
      {inputs?.length === 0 && <Empty>This job reads no input.</Empty>}
      {inputs !== null && inputs.length > 0 && (
        <Table caption="Inputs" rows={inputs.slice(0, shown.value)} columns={INPUTS} keyOf={({ name }) => name} />
      )}
      {inputs !== null && inputs.length > shown.value && (
        <p class="buttons">
          <button
            type="button"
            onClick={() => {
              shown.value += PAGE;
            }}
          >
            Show {PAGE} more
          </button>
        </p>
      )}
    </Section>
  );
}

const INPUTS: readonly Column<Input>[] = [
  { title: 'input', cell: ({ name }) => name },
  { title: 'size', kind: 'number', cell: ({ size }) => formatSize(size) },
  { title: 'records', kind: 'number', cell: ({ records }) => (records === null ? '–' : formatCount(records)) },
  { title: 'place', kind: 'text', cell: (input) => <Place input={input} /> },
];

/** Where it is; an object of the store can be saved, if it is still the version that the job reads. */
function Place({ input: { name, size, source, checksum } }: { readonly input: Input }) {
  const error = useSignal<CallError | null>(null);
  const save = async (key: string): Promise<void> => {
    try {
      error.value = null;
      await saveObject(key, key.split('/').at(-1) ?? name, checksum === null ? null : { size, checksum });
    } catch (caught) {
      error.value = asCallError(caught);
    }
  };
  switch (source.kind) {
    case 'file':
      return <>the file {source.path}</>;
    case 's3':
      return (
        <>
          s3://{source.bucket}/{source.key}
        </>
      );
    case 'pipe':
      return <>a pipe</>;
    case 'store':
      return (
        <>
          {name.startsWith('store:') ? 'in the store' : source.key}{' '}
          <button type="button" class="quiet" onClick={() => void save(source.key)}>
            Download<span class="sr"> {name}</span>
          </button>
          {error.value !== null && <Problem error={error.value} />}
        </>
      );
    default:
      return source satisfies never;
  }
}
