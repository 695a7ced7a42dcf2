import type { CostStanding } from '../../../src/jobs/cost/standings.ts';
import { append } from '../../../src/jobs/journal.ts';
import type { GroupPrices } from '../../../src/model/group-status.ts';
import { openMark } from '../../../src/model/keys.ts';
import type { LedgerWorker, StepCounts } from '../../../src/model/ledger/records.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Budget, Platform } from '../../../src/ports/platform.ts';
import { event, worker } from '../../contracts/ledger-events.ts';
import { SENT } from '../../model/job-of.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { countsOf } from '../../support/step-counts.ts';
import { openPlace, type Place, putJob } from '../published-job.ts';

export const MINUTE = 60_000;
export const NOW = Date.parse('2026-11-20T12:00:00.000Z');

/** A group whose machines cost so much an hour; null: the price is unknown; absent: nothing. */
export interface Group {
  readonly usd?: number | null;
  readonly lifeCycle?: 'spot' | 'on-demand';
  readonly slots?: number | null;
  readonly desired?: number;
  readonly inService?: number;
  readonly pending?: number;
}

/** Jobs, workers and counts in a real store and ledger, with the sizes and prices of groups as a test sets them. */
export class PricedGroups {
  readonly clock = new FakeClock(NOW);
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
  }

  static async open(): Promise<PricedGroups> {
    return new PricedGroups(await openPlace());
  }

  end(): Promise<void> {
    return this.#place.end();
  }

  platform(groups: Readonly<Record<string, Group>>, budget: Partial<Budget> = {}): Platform {
    const real = this.#place.platform;
    return {
      ...real,
      clock: this.clock,
      groups: Object.keys(groups),
      budget: { month: null, job: null, zone: 'UTC', ...budget },
      group: async (name) => {
        const { desired = 0, inService = 0, pending = 0, ...of } = groups[name] ?? {};
        const group = await real.group('default');
        const machines = { inService, pending, stopping: 0 };
        return Object.assign(Object.create(group), {
          describe: async () => ({ ...(await group.describe()), name, desired, machines }),
          prices: async (others: readonly string[]) => pricesOf(name, of, others),
        });
      },
    };
  }

  /** A job of as many tasks, submitted an hour ago unless `minutes` says otherwise, whose tasks are sent. */
  async job(
    name: string,
    more: { maxCost?: number; tasks?: number; steps?: string; minutes?: number; at?: string } = {},
  ) {
    const { maxCost = null, tasks = 4, minutes = 60, steps = '{ name: price, run: [cat] }', at = '1100' } = more;
    const yaml = `{ name: ${name}, input: { split: { by: range, from: 1, to: ${tasks} } }, steps: [${steps}] }`;
    const job = `${name}-20261120-${at}-abcde`;
    const put = await putJob(this.#place.platform, [], { job, yaml, parts: tasks });
    const { view } = await append(this.#place.platform, put, () => SENT);
    const createdAt = new Date(NOW - minutes * MINUTE).toISOString();
    await this.#place.platform.store.put(openMark(job, 0), '');
    return { ...view, maxCost, record: { ...view.record, createdAt } };
  }

  /** A machine that worked for so many minutes, by default on this job alone, until now. */
  async machine(minutes: number, of: JobView | null, fields: Partial<LedgerWorker> = {}): Promise<void> {
    const seenAt = fields.seenAt ?? this.clock.now();
    const beat = worker({
      state: 'gone',
      busy: [],
      startedAt: seenAt - minutes * MINUTE,
      seenAt,
      machine: { type: 'of-default', zone: 'a', lifeCycle: 'on-demand', launchedAt: seenAt - minutes * MINUTE },
      spent: of === null ? {} : { [of.record.job]: 60 },
      ...fields,
      worker: `w-${fields.host ?? 'i-1'}`,
      host: fields.host ?? 'i-1',
    });
    await (await this.#place.platform.ledger()).heartbeat(beat);
  }

  /** Attempts of these tasks of the first step run. */
  async begin({ record: { job, spec } }: JobView, ...tasks: readonly number[]): Promise<void> {
    const step = spec.steps[0]?.name ?? '';
    const startedAt = this.clock.now();
    const events = tasks.map((task) => event('running', task, { job, step, startedAt }));
    await (await this.#place.platform.ledger()).record(events);
  }

  async counts({ record }: JobView, ...counts: readonly Partial<StepCounts>[]): Promise<void> {
    const ledger = await this.#place.platform.ledger();
    const steps = record.spec.steps.flatMap(({ name }, n) =>
      counts[n] === undefined ? [] : [countsOf(name, counts[n])],
    );
    await ledger.recordExact(record.job, 0, steps);
  }
}

function pricesOf(group: string, { usd, lifeCycle = 'on-demand', slots = 1 }: Group, others: readonly string[]) {
  if (usd === undefined) return null;
  const types = [`of-${group}`];
  const kind = lifeCycle === 'spot' ? ('spot' as const) : ('configured' as const);
  const hours = usd === null ? [] : [...types, ...others].map((type) => ({ type, kind, zone: null, usd }));
  return { types, lifeCycle, slots, hours, trouble: null } satisfies GroupPrices;
}

/** What a standing says, rounded to a cent. */
export const shown = (standing: CostStanding | null | undefined): unknown =>
  standing === null || standing === undefined
    ? null
    : 'unknown' in standing
      ? standing
      : { limit: standing.limit, soFar: cents(standing.soFar), draining: cents(standing.draining) };

const cents = (usd: number): number => Math.round(usd * 100) / 100;
