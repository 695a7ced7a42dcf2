import { withInstants } from '../../../cli/format.ts';
import type { Entry, Status } from '../../answers.ts';
import { zone } from '../../clock.ts';
import { When } from '../../parts/marks.tsx';
import { Loading, Problem, Section } from '../../parts/section.tsx';
import { Table } from '../../parts/table.tsx';
import { useAsk } from '../../use-ask.ts';
import { isOpen } from '../../words/job-state.ts';

const EVERY_MS = 10_000;

/** Who did what, when: the latest first. */
export function JobHistory({ status: { job, state, round } }: { readonly status: Status }) {
  const { document, error, again } = useAsk(
    'history',
    { job },
    {
      ...{ when: `${state} ${round}` },
      ...(isOpen(state) && { everyMs: EVERY_MS }),
    },
  );
  const entries = document?.items as readonly Entry[] | undefined;
  return (
    <Section title="History" lead="The job's own journal: who decided what, and when. The latest first.">
      {error !== null && <Problem error={error} again={again} />}
      {entries === undefined && error === null && <Loading what="history" />}
      {entries !== undefined && (
        <Table
          caption={`History of ${job}`}
          rows={[...entries].reverse()}
          keyOf={({ number }) => number ?? 'accepted'}
          columns={[
            { title: 'when', cell: ({ when }) => <When at={when} /> },
            { title: 'who', cell: ({ who }) => who },
            { title: 'what', kind: 'text', cell: ({ text }) => withInstants(text, zone) },
          ]}
        />
      )}
    </Section>
  );
}
