import type { FastifyInstance } from 'fastify';
import { peekView } from '../../jobs/journal.ts';
import { comingPeriods, type Period, recentPeriods } from '../../jobs/schedules/recent.ts';
import { ScheduleReader } from '../../jobs/schedules/schedules.ts';
import { isZone } from '../../lib/instant.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { API, type ApiError, type ApiPeriods } from '../../model/api.ts';
import { fillGrid, type GridGap, type GridRun, type GridSchedule, planGrid } from '../../model/period-grid.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import { runKeyOf, type Schedule } from '../../model/schedule.ts';
import { firingsAfter } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { publicError, Refusal } from './error-answers.ts';

/** The newest jobs that are looked at, none of them older than this many milliseconds. */
const [MOST, SHOWN_FOR] = [2_000, 400 * 86_400_000];
/** Past firings of a schedule that are looked at. */
const FIRINGS = 60;
/** Schedules and jobs read together. */
const PARALLEL = 8;
/** How long a read is cached, milliseconds: longer for a remote store, where each read costs requests. */
const FRESH = { near: 4_000, far: 45_000 };
/** Milliseconds for which closed jobs are remembered: a retry reopens one. */
const REMEMBERED = 3_600_000;

/** The latest runs of all jobs by period, with the runs of schedules that never came: one read for all who ask. */
export function addPeriods(app: FastifyInstance, platform: Platform): void {
  const look = new PeriodsReader(platform);
  app.get<{ Querystring: { readonly tz?: string } }>(
    `${API}/periods`,
    { config: { scope: 'read' }, exposeHeadRoute: false },
    async ({ query }): Promise<ApiPeriods> => {
      const zone = query.tz ?? 'UTC';
      // A parameter that is given twice is a list.
      if (typeof zone !== 'string' || !isZone(zone))
        throw new Refusal(
          400,
          'usage',
          `tz: expected an IANA time zone such as Europe/London, found "${String(zone).slice(0, 60)}"`,
        );
      return look.grid(zone);
    },
  );
}

interface Facts {
  readonly runs: readonly GridRun[];
  readonly schedules: readonly GridSchedule[];
  readonly more: boolean;
  readonly troubles: readonly ApiError[];
}

class PeriodsReader {
  readonly #platform: Platform;
  readonly #reader: ScheduleReader;
  #facts: { readonly at: number; readonly read: Promise<Facts> } | null = null;
  /** Deadlines of closed jobs. */
  readonly #deadlines = new Map<string, string | null>();
  /** Closed runs of schedules, by run key, that the ledger's newest jobs lack. */
  readonly #closed = new Map<string, Pick<Period, 'state' | 'job'>>();
  #rememberedSince = 0;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#reader = new ScheduleReader(platform.store);
  }

  async grid(zone: string): Promise<ApiPeriods> {
    const { runs, schedules, more, troubles } = await this.#freshFacts();
    const plan = planGrid({ runs, schedules, now: this.#platform.clock.now(), zone });
    return { bands: fillGrid(plan, await this.#deadlinesOf(plan.needed)), more, troubles };
  }

  #freshFacts(): Promise<Facts> {
    const { clock, workplace } = this.#platform;
    const now = clock.monotonic();
    if (now - this.#rememberedSince > REMEMBERED) {
      this.#deadlines.clear();
      this.#closed.clear();
      this.#rememberedSince = now;
    }
    const known = this.#facts;
    if (known !== null && now - known.at < (workplace.paysRequests ? FRESH.far : FRESH.near)) return known.read;
    const read = this.#read();
    this.#facts = { at: now, read };
    read.catch(() => {
      if (this.#facts?.read === read) this.#facts = null;
    });
    return read;
  }

  async #read(): Promise<Facts> {
    const troubles: ApiError[] = [];
    const addTrouble = (error: unknown): void => void troubles.push(publicError(error, 'of the latest runs').error);
    const since = this.#platform.clock.now() - SHOWN_FOR;
    const jobs = await (await this.#platform.ledger()).jobs({ since, limit: MOST + 1 });
    const runs: GridRun[] = jobs.slice(0, MOST).filter(({ steps }) => !isRehearsal(steps));
    // The newest run of a key wins.
    const byKey = new Map([...runs].reverse().map((run) => [run.runKey ?? run.job, run]));
    const schedules: GridSchedule[] = [];
    await eachParallel(await this.#reader.list((_, error) => addTrouble(error)), PARALLEL, async (schedule) => {
      try {
        schedules.push(await this.#scheduleRow(schedule, byKey, runs));
      } catch (error) {
        addTrouble(error);
      }
    });
    return { runs, schedules, more: jobs.length > MOST, troubles };
  }

  /** Adds to `runs` those missing from the ledger's newest jobs. */
  async #scheduleRow(schedule: Schedule, byKey: ReadonlyMap<string, GridRun>, runs: GridRun[]): Promise<GridSchedule> {
    const { name } = schedule.job.spec;
    const [recent, coming] = await Promise.all([
      recentPeriods(this.#platform, schedule, FIRINGS, (runKey) => byKey.get(runKey) ?? this.#closed.get(runKey)),
      schedule.paused === null ? comingPeriods(this.#platform, schedule, 1) : [],
    ]);
    const holes = coming.flatMap(({ period, at, job }): GridGap[] =>
      job === null ? [{ period, at, state: 'coming' }] : [],
    );
    for (const { period, at, state, job } of recent) {
      const runKey = runKeyOf(schedule, { period });
      if (state === 'due' || state === 'missed' || (state === 'paused' && job === null)) {
        holes.push({ period, at, state });
      } else if (job !== null && !byKey.has(runKey)) {
        if (state === 'succeeded' || state === 'failed' || state === 'cancelled')
          this.#closed.set(runKey, { state, job });
        // When it closed is not known here, so nor is whether it was late.
        runs.push({ job, name, runKey, state, reason: null, createdAt: at, closedAt: null });
      }
    }
    // A new schedule has no past: its next firings tell how long its periods are.
    const periods = [...recent, ...firingsAfter(schedule, this.#platform.clock.now(), 3)].map(({ period }) => period);
    return { schedule: schedule.name, name, periods, gaps: holes };
  }

  async #deadlinesOf(jobs: readonly GridRun[]): Promise<ReadonlyMap<string, string | null>> {
    const found = new Map<string, string | null>();
    const { store } = this.#platform;
    await eachParallel(jobs, PARALLEL, async ({ job, closedAt }) => {
      const key = `${job} ${closedAt}`;
      const known = this.#deadlines.get(key);
      const deadline = known === undefined ? await deadlineOf(store, job) : known;
      this.#deadlines.set(key, deadline);
      found.set(job, deadline);
    });
    return found;
  }
}

/** Null also for a job that is gone or unreadable: its ledger row is still shown. */
async function deadlineOf(store: Platform['store'], job: string): Promise<string | null> {
  try {
    return (await peekView(store, job))?.finishBy ?? null;
  } catch {
    return null;
  }
}
