import { formatDuration } from '../../lib/units.ts';
import type { ListedGroup, ListedQueue, ListedWorker, RedriveAnswer } from '../../model/answers/grid.ts';
import { launchFix } from '../../model/why/causes-workers.ts';
import {
  type GroupEvent,
  queue,
  queuePurge,
  queueRedrive,
  scale,
  workers,
  workersDrain,
  workersLogs,
  workersStop,
} from '../../verbs/grid.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatDistance, formatInstant, formatMany } from '../format.ts';
import { asText } from '../print-notices.ts';
import { type Column, countColumn, print, printAnswer, printList } from '../render.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

export function scaleCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scale, {
    help: {
      about:
        'Makes a single request for the required size. Surplus workers finish their tasks and exit. Without a size, shows the size of each group, its backlog, and why launches fail. On AWS a worker is an instance of an Auto Scaling group; on the local profile it is a process on this machine, kept running until the size is 0.',
      examples: ['batchctl scale', 'batchctl scale 4', 'batchctl scale 0', 'batchctl scale 8 --max 8 --for 4h --auto'],
      exitCodes: {
        0: true,
        2: 'the size is outside --min and --max',
        7: 'the group has no size; infra up has not created it',
        8: 'the workers could not be started',
      },
      related: ['workers', 'queue', 'worker', 'why', 'infra up'],
    },
    show: (_, input) => scalePresenter(ctx, input),
  });
}

function scalePresenter(ctx: Context, input: RawInput): Presenter<AsyncIterable<ListedGroup>, GroupEvent> {
  const events = new Map<string, GroupEvent>();
  const isResize = Object.keys(scale.scopeWith ?? {}).some(
    (name) => input[name] !== undefined && input[name] !== false,
  );
  return {
    event: (event) => void events.set(event.group, event),
    answer: (groups) => (isResize ? showChanged(ctx, groups) : showGroups(ctx, groups, events)),
  };
}

async function showChanged(ctx: Context, groups: AsyncIterable<ListedGroup>): Promise<void> {
  const zone = await ctx.zone();
  for await (const group of groups) {
    const { desired, min, max, mode, running } = group;
    const until =
      group.until === null ? '' : `, until ${formatInstant(Date.parse(group.until), zone, ctx.clock.now())}`;
    const would = ctx.flags.dryRun ? 'would be ' : '';
    await printAnswer(ctx, {
      json: group,
      text: `group ${group.group}: ${would}${desired} (${min} to ${max}, ${mode}${until}); ${running} up now`,
    });
  }
}

type GroupEvents = ReadonlyMap<string, GroupEvent>;

async function showGroups(ctx: Context, groups: AsyncIterable<ListedGroup>, events: GroupEvents): Promise<void> {
  const zone = await ctx.zone();
  const rows: ListedGroup[] = [];
  await printList<ListedGroup>(ctx, {
    rows: groups,
    each: (row) => void rows.push(row),
    columns: (all) => groupColumns(all, events, { zone, now: ctx.clock.now() }),
    empty: 'no groups',
  });
  for (const row of rows) explainShortfall(ctx, row, events.get(row.group));
}

/** The columns of groups. Columns of instances appear only if some group has instances. */
function groupColumns(
  rows: readonly ListedGroup[],
  events: GroupEvents,
  { zone, now }: { readonly zone: string; readonly now: number },
): readonly Column<ListedGroup>[] {
  const machines = rows.some(hasMachines);
  return [
    { title: 'group', value: (row) => row.group, whole: true },
    countColumn('desired', (row) => row.desired),
    countColumn('min', (row) => row.min),
    countColumn('max', (row) => row.max),
    { title: 'mode', value: (row) => (events.get(row.group)?.byHand ? 'by hand' : row.mode) },
    ...(machines
      ? [
          countColumn('in service', (row: ListedGroup) => row.inService),
          { ...countColumn('pending', (row: ListedGroup) => row.pending), rank: 3 },
          { ...countColumn('ending', (row: ListedGroup) => row.terminating), rank: 4 },
          { ...countColumn('protected', (row: ListedGroup) => row.protected), rank: 5 },
        ]
      : []),
    { ...countColumn('running', (row) => row.running), tint: (row) => (row.running < row.desired ? 'doubtful' : null) },
    countColumn('visible', (row) => row.visible),
    countColumn('leased', (row) => row.leased),
    { ...countColumn('delayed', (row) => row.delayed), rank: 1 },
    { title: 'done in', value: (row) => (row.drain === null ? '-' : formatDuration(row.drain)), align: 'right' },
    {
      title: 'until',
      rank: 2,
      value: (row) => (row.until === null ? '-' : formatInstant(Date.parse(row.until), zone, now)),
    },
  ];
}

const hasMachines = ({ inService }: ListedGroup): boolean => inService !== null;

function explainShortfall(ctx: Context, row: ListedGroup, event: GroupEvent | undefined): void {
  const { group, running, desired, inService, pending, troubles } = row;
  for (const message of event?.unread ?? []) ctx.warn(`group ${group}: ${message}`);
  if (event?.held) ctx.warn(event.held);
  for (const { code, message } of troubles) {
    ctx.warn(`group ${group}: launches fail (${code}): ${message}`);
    ctx.notice(`  ${launchFix(code, group)}`);
  }
  if (event?.missing) {
    const flag = group === 'default' ? '' : ` --group ${group}`;
    ctx.notice(
      `group ${group} has no Auto Scaling group: create it with batchctl infra up; until then batchctl worker --here${flag}`,
    );
  } else if (inService === null && !event?.byHand && running < desired) {
    // A supervisor that was killed, or ended with its machine, starts again only with the next `scale`.
    const again = `batchctl scale ${desired} --group ${group}`;
    ctx.notice(`group ${group}: ${running} of ${desired} workers are up; if it stays so: ${again}`);
  } else if (inService !== null && inService > running + (pending ?? 0) && troubles.length === 0) {
    ctx.notice(
      `group ${group}: ${inService} instances are in service, ${running} with a worker; batchctl workers --group ${group}`,
    );
  }
}

export function workersCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, workers, {
    help: {
      about:
        'Lists workers by their heartbeats, and the instances of their groups. "gone?" means that a worker missed four heartbeats without saying that it was leaving, or that its instance is gone. An instance without a worker is booting, or its boot failed; workers logs accepts its id too.',
      examples: ['batchctl workers', 'batchctl workers --group gpu', 'batchctl workers --all --json'],
      exitCodes: { 0: 'also if there are none' },
      related: ['workers logs', 'workers drain', 'workers stop', 'scale'],
    },
    show: (_, { group }) => ({
      answer: (rows) =>
        show(
          ctx,
          rows,
          group === undefined ? 'no workers; start two with batchctl scale 2' : `no workers in group ${group}`,
        ),
    }),
  });
}

async function show(ctx: Context, rows: AsyncIterable<ListedWorker>, empty: string): Promise<void> {
  const bareInstances: ListedWorker[] = [];
  const staying: ListedWorker[] = [];
  await printList<ListedWorker>(ctx, {
    rows,
    each: (row) => {
      if (row.state === 'noWorker') bareInstances.push(row);
      if (staysOn(row)) staying.push(row);
    },
    columns: (all) => workerColumns(all, ctx.clock.now()),
    empty,
  });
  const [first] = bareInstances;
  if (first !== undefined) ctx.notice(`an instance without a worker: batchctl workers logs ${first.instance}`);
  const [denied] = staying;
  if (denied !== undefined)
    ctx.notice(`idle workers can't end their instances: ${denied.denied} is denied; batchctl doctor`);
}

/** The columns of workers. Columns of instances appear only if there are any. */
function workerColumns(rows: readonly ListedWorker[], now: number): readonly Column<ListedWorker>[] {
  const instances = rows.some(({ instance }) => instance !== null);
  const ago = (instant: string | null): string => (instant === null ? '-' : formatDistance(Date.parse(instant) - now));
  const ofWorker = (row: ListedWorker, value: number | null): string => (row.worker === null ? '-' : String(value));
  return [
    { title: 'worker', value: ({ worker }) => worker ?? '-', whole: true },
    { title: 'group', value: ({ group }) => group, whole: true },
    {
      title: 'instance',
      value: ({ instance, host, pid }) => instance ?? `${host}:${pid}`,
      whole: true,
      rank: instances ? 0 : 1,
    },
    ...(instances
      ? [
          { title: 'type', value: ({ type }: ListedWorker) => type ?? '-', rank: 4 },
          { title: 'zone', value: ({ zone }: ListedWorker) => zone ?? '-', rank: 5 },
        ]
      : []),
    { title: 'version', value: ({ version }) => version ?? '-', rank: 3 },
    { title: 'state', value: stateText, tint: (row) => (isBad(row) ? 'bad' : null) },
    { title: 'slots', value: (row) => ofWorker(row, row.slots), align: 'right' },
    { title: 'busy with', value: busyText, min: 16 },
    { title: 'done', value: (row) => ofWorker(row, row.done), align: 'right' },
    { title: 'failed', value: (row) => ofWorker(row, row.failed), align: 'right' },
    { title: 'seen', value: ({ seen }) => ago(seen), rank: 2 },
    { title: 'since', value: ({ since }) => ago(since), rank: 6 },
  ];
}

function stateText({ state, denied }: ListedWorker): string {
  if (state === 'noWorker') return 'no worker';
  if (staysOn({ state, denied })) return "idle, can't leave";
  return state === 'lost' ? 'gone?' : state;
}

/** Its instance is billed on, and nothing ends it. */
const staysOn = ({ state, denied }: Pick<ListedWorker, 'state' | 'denied'>): boolean =>
  state === 'idle' && denied !== null;

const isBad = (row: ListedWorker): boolean => row.state === 'noWorker' || row.state === 'lost' || staysOn(row);

function busyText({ busy }: ListedWorker): string {
  const [first] = busy;
  if (first === undefined) return '-';
  return busy.length === 1 ? first : `${busy.length}: ${first} ...`;
}

export function workersLogsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, workersLogs, {
    help: {
      about:
        "Prints a worker's log and boot log, also after it has exited. For an instance without a worker, prints the boot output. For the output of tasks, use batchctl logs.",
      examples: ['batchctl workers logs w-3k5m7p2q4r'],
      exitCodes: { 0: true, 4: 'no such worker, or it has no log yet' },
      related: ['workers', 'logs'],
    },
    show: () => asText(ctx, ({ boot, log }) => (boot === null ? (log ?? '') : `${log ?? ''}--- boot.log ---\n${boot}`)),
  });
}

export function workersDrainCommand(ctx: Context): CommandDefinition {
  return orderCommand(ctx, 'drain', 'The worker takes no more tasks, finishes those it runs, and leaves its group.');
}

export function workersStopCommand(ctx: Context): CommandDefinition {
  return orderCommand(
    ctx,
    'stop',
    'The worker returns its tasks to the queue, which does not count as a failure, and leaves its group.',
  );
}

function orderCommand(ctx: Context, order: 'drain' | 'stop', about: string): CommandDefinition {
  return verbCommand(ctx, order === 'drain' ? workersDrain : workersStop, {
    help: {
      about: `${about} It sees the request at its next heartbeat.`,
      examples: [`batchctl workers ${order} w-3k5m7p2q4r`],
      exitCodes: { 0: 'ordered', 4: 'no such worker is running' },
      related: ['workers', `workers ${order === 'drain' ? 'stop' : 'drain'}`, 'scale'],
    },
    show: () =>
      asText(
        ctx,
        ({ dryRun, worker }) =>
          `${dryRun ? 'would ask' : 'asked'} ${worker} to ${order}; it will see the request at its next heartbeat`,
      ),
  });
}

const COUNTS = ['visible', 'leased', 'delayed', 'dead'] as const;

export function queueCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queue, {
    help: {
      about: 'Counts are samples: an empty queue does not mean that a job is done. See batchctl status for that.',
      examples: ['batchctl queue', 'batchctl queue --group gpu --json'],
      exitCodes: { 0: true },
      related: ['queue redrive', 'queue purge', 'scale', 'status'],
    },
    show: () => ({
      answer: (rows) =>
        printList<ListedQueue>(ctx, {
          rows,
          columns: [
            { title: 'group', value: ({ group }) => group, whole: true },
            ...COUNTS.map((count) => countColumn<ListedQueue>(count, (row) => row[count])),
            { title: 'oldest', value: ({ oldest }) => (oldest === null ? '-' : formatDuration(oldest)) },
          ],
          empty: 'no queues',
        }),
    }),
  });
}

export function queueRedriveCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queueRedrive, {
    help: {
      about:
        'Sends dead letters back unchanged, after confirmation. If the task failed for good, it is retried in a new round, as with batchctl retry. Letters of jobs that are closed or have a deadline, and of earlier rounds, stay unless the job is named with --job.',
      examples: ['batchctl queue redrive', 'batchctl queue redrive --job claims-20261130-1830-k3m5p --task price/12'],
      exitCodes: { 0: 'done; also if there are no dead letters', 4: 'no such job or task', 7: 'not confirmed' },
      related: ['queue', 'retry', 'failures'],
    },
    show: () => ({
      async answer(groups) {
        for await (const redriven of groups) await showRedriven(ctx, redriven);
      },
    }),
  });
}

async function showRedriven(ctx: Context, redriven: RedriveAnswer): Promise<void> {
  const { group, sent, jobs, retried, left, dryRun } = redriven;
  const lines = [`group ${group}: ${dryRun ? 'would send' : 'sent'} ${formatMany(sent, 'dead letter')} back`];
  for (const { job, letters } of jobs) lines.push(`${job ?? 'no job'}: ${formatMany(letters, 'dead letter')}`);
  for (const { job, round, tasks } of retried) {
    const asked = round === null ? 'would retry' : `round ${round} retries`;
    lines.push(`${job}: ${asked} ${formatMany(tasks.length, 'task')} that failed for good`);
  }
  await print(ctx, `${ctx.flags.json ? JSON.stringify(redriven) : lines.join('\n')}\n`);
  for (const { job, tasks, why, ifNamed } of left) {
    const letters = `${formatMany(tasks.length, 'dead letter')} of ${job} left (${tasks.slice(0, 3).join(', ')}${tasks.length > 3 ? ', ...' : ''})`;
    ctx.warn(`${letters}: ${why}${ifNamed ? `; to send them back: batchctl queue redrive --job ${job}` : ''}`);
  }
}

export function queuePurgeCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queuePurge, {
    help: {
      about:
        "Deletes waiting messages, but not those held by workers, nor dead letters. No task is lost: resume, a manager or tick re-sends the undecided tasks of open jobs. To end a job's work, cancel it.",
      examples: [
        'batchctl queue purge --confirm default',
        'batchctl queue purge --group gpu --job claims-20261130-1830-k3m5p --confirm gpu',
      ],
      exitCodes: { 0: true, 4: 'no such job', 7: "--confirm is not the group's name, or the profile is protected" },
      related: ['queue', 'cancel', 'pause', 'resume'],
    },
    show: () => {
      let waiting = 0;
      return {
        event: ({ messages }) => {
          waiting = messages;
        },
        async answer(done) {
          const { group, job, purged, dryRun } = done;
          const count = purged === null ? '' : `${formatCount(purged)} `;
          const whose = job === null ? '' : ` of ${job}`;
          await printAnswer(ctx, {
            json: done,
            text: dryRun
              ? `group ${group}: would delete messages${whose} among the ${formatCount(waiting)} waiting`
              : `group ${group}: deleted ${count}waiting message${purged === 1 ? '' : 's'}${whose}`,
          });
          ctx.notice('undecided tasks of open jobs will be re-sent by batchctl resume, a manager or batchctl tick');
        },
      };
    },
  });
}
