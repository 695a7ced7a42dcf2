import { formatCount } from '../../cli/format.ts';
import { formatDuration } from '../../lib/units.ts';
import { scale } from '../actions/grid-actions.ts';
import type { Group } from '../answers.ts';
import { ActButton } from '../parts/act-button.tsx';
import { When } from '../parts/marks.tsx';
import { Section } from '../parts/section.tsx';
import { type Column, Table } from '../parts/table.tsx';

/** Each group's size, and what keeps it from having it. */
export function Groups({ groups }: { readonly groups: readonly Group[] }) {
  if (groups.length === 0) return null;
  return (
    <Section title="Groups">
      <Table caption="Worker groups" rows={groups} columns={COLUMNS} keyOf={({ group }) => group} />
      {groups.flatMap(({ group, held, troubles }) => [
        ...(held === null
          ? []
          : [
              <p key={`${group} held`} class="alarm">
                <b>Group {group} is held:</b> the last {held.failed} instances could not be set up
                {held.line !== null && ` (${held.line})`}. Scaling it tries again.
              </p>,
            ]),
        ...troubles.map(({ code, message }) => (
          <p key={`${group} ${code}`} class="alarm">
            <b>
              Group {group}: launches fail ({code}):
            </b>{' '}
            {message}
          </p>
        )),
      ])}
    </Section>
  );
}

const count = (title: string, of: (group: Group) => number | null): Column<Group> => ({
  ...{ title, kind: 'number' },
  cell: (group) => {
    const found = of(group);
    return found === null ? '–' : formatCount(found);
  },
});

const COLUMNS: readonly Column<Group>[] = [
  {
    title: 'group',
    cell: ({ group, mode, until }) => (
      <>
        {group}
        <small>
          {mode}
          {until !== null && (
            <>
              , until <When at={until} />
            </>
          )}
        </small>
      </>
    ),
  },
  {
    ...{ title: 'running', kind: 'number' },
    cell: ({ running, desired, pending, terminating, protected: kept }) => (
      <>
        <span class={running < desired ? 'doubtful strong' : ''}>{formatCount(running)}</span>
        {pending !== null && pending > 0 && <small>{formatCount(pending)} starting</small>}
        {terminating !== null && terminating > 0 && <small>{formatCount(terminating)} ending</small>}
        {kept !== null && kept > 0 && <small>{formatCount(kept)} protected</small>}
      </>
    ),
  },
  count('wanted', ({ desired }) => desired),
  count('min', ({ min }) => min),
  count('max', ({ max }) => max),
  count('waiting', ({ visible }) => visible),
  count('leased', ({ leased }) => leased),
  { title: 'done in', kind: 'number', cell: ({ drain }) => (drain === null ? '–' : formatDuration(drain)) },
  { title: 'actions', kind: 'tools', cell: (group) => <ActButton action={scale(group)} /> },
];
