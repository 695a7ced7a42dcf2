import { type Random, randomNormal, seededRandom } from '../../src/model/forecast/section.ts';
import { Agenda } from './agenda.ts';
import type { Policy } from './policies.ts';
import { JobState, Queue, type Unit } from './queue.ts';
import type { Job, Workload } from './workloads.ts';

export interface Played {
  /** Seconds from the start until each job ended, by name. */
  readonly ended: ReadonlyMap<string, number>;
  /** Instance hours, until the group is back at its minimum. */
  readonly hours: number;
  /** The hours of them that were on demand. */
  readonly onDemandHours: number;
  readonly peak: number;
  readonly interrupted: number;
}

type Event =
  | { readonly what: 'submit'; readonly job: Job }
  | { readonly what: 'minute' }
  | { readonly what: 'ready' | 'notice' | 'gone' | 'idle'; readonly machine: Machine; readonly busy: number }
  | { readonly what: 'end'; readonly machine: Machine; readonly running: Running };

interface Running {
  readonly unit: Unit;
  readonly began: number;
}

interface Machine {
  readonly launched: number;
  readonly onDemand: boolean;
  readonly boot: number;
  state: 'pending' | 'up' | 'leaving' | 'gone';
  readonly running: Set<Running>;
  /** Counts the tasks it started. A pending idle timeout is void if this has changed. */
  busy: number;
}

/** Seconds of notice before EC2 reclaims a spot instance (Amazon EC2: spot instance interruption notices). */
const NOTICE = 120;
/** Seconds for which a spot interruption counts as recent. */
const LATELY = 1_800;
/** Seconds after which a simulation ends in any case. */
const END = 14 * 86_400;

/** Plays a workload against a policy, from event to event. The same seed gives the same result. */
export function simulate(workload: Workload, policy: Policy, seed = 7): Played {
  return new World(workload, policy, seed).play();
}

class World {
  readonly #workload: Workload;
  readonly #policy: Policy;
  readonly #random: Random;
  readonly #agenda = new Agenda<Event>();
  readonly #queue = new Queue();
  readonly #machines = new Set<Machine>();
  #now = 0;
  #desired: number;
  #left: number;
  #seconds = 0;
  #peak = 0;
  #interrupted = 0;
  #onDemandSeconds = 0;
  /** What the group's service reports about spot. */
  #base = 0;
  #baseAt: number | null = null;
  #refused = false;
  readonly #takenAt: number[] = [];
  readonly #boots: number[] = [];

  constructor(workload: Workload, policy: Policy, seed: number) {
    this.#workload = workload;
    this.#policy = policy;
    this.#random = seededRandom(seed);
    this.#desired = policy.min;
    this.#left = workload.jobs.length;
  }

  play(): Played {
    for (const job of this.#workload.jobs) this.#agenda.put(job.at, { what: 'submit', job });
    for (let n = 0; n < this.#policy.min; n += 1) this.#launch(0, false);
    this.#agenda.put(60, { what: 'minute' });
    while (this.#now < END && !(this.#left === 0 && this.#machines.size <= this.#policy.min)) {
      const next = this.#agenda.take();
      if (next === null) break;
      this.#now = next.at;
      this.#happen(next.what);
    }
    for (const machine of this.#machines) this.#end(machine);
    const ended = this.#queue.jobs.map(({ job, endedAt }): [string, number] => [job.name, endedAt ?? END]);
    const hours = this.#seconds / 3_600;
    const onDemandHours = this.#onDemandSeconds / 3_600;
    return { ended: new Map(ended), hours, onDemandHours, peak: this.#peak, interrupted: this.#interrupted };
  }

  #happen(event: Event): void {
    switch (event.what) {
      case 'submit':
        this.#queue.jobs.push(new JobState(event.job));
        if (this.#policy.atOnce) this.#decide();
        for (const machine of this.#machines) this.#fill(machine);
        return;
      case 'minute':
        this.#decide();
        this.#agenda.put(this.#now + 60, { what: 'minute' });
        return;
      case 'ready':
        if (event.machine.state !== 'pending') return;
        event.machine.state = 'up';
        this.#boots.push(event.machine.boot);
        this.#fill(event.machine);
        return;
      case 'notice':
        if (event.machine.state !== 'up' && event.machine.state !== 'pending') return;
        event.machine.state = 'leaving';
        this.#agenda.put(this.#now + NOTICE, { what: 'gone', machine: event.machine, busy: 0 });
        return;
      case 'gone':
        this.#interrupt(event.machine);
        this.#meet();
        return;
      case 'idle':
        if (event.machine.state !== 'up' || event.machine.busy !== event.busy || event.machine.running.size > 0) return;
        // The instance lowers the desired capacity as it leaves.
        if (this.#desired > this.#policy.min) this.#desired -= 1;
        this.#end(event.machine);
        return;
      case 'end':
        this.#done(event.machine, event.running);
        return;
      default:
        event satisfies never;
    }
  }

  #done(machine: Machine, running: Running): void {
    if (!machine.running.delete(running)) return;
    const { job, tasks, seconds } = running.unit;
    job.record(tasks, seconds, this.#now);
    if (job.endedAt !== null) this.#left -= 1;
    this.#fill(machine);
  }

  #decide(): void {
    const up = [...this.#machines].filter(({ state }) => state === 'up').length;
    const open = this.#queue.jobs.filter(({ endedAt }) => endedAt === null);
    const sight = {
      now: this.#now,
      desired: this.#desired,
      inService: up,
      visible: this.#queue.visible,
      up: [...this.#machines].filter(({ state }) => state !== 'leaving').length,
      boots: this.#boots.slice(-20),
      jobs: open.map((job) => job.sight(this.#now)),
      spot: {
        base: this.#base,
        since: this.#baseAt === null ? null : this.#now - this.#baseAt,
        refused: this.#refused,
        takenBack: this.#takenAt.filter((at) => this.#now - at < LATELY).length,
      },
    };
    this.#desired = this.#policy.decide(sight);
    const base = this.#policy.standIn?.(sight) ?? this.#base;
    if (base > this.#base) [this.#base, this.#baseAt] = [base, this.#now];
    this.#meet();
  }

  /** Acts like Auto Scaling: launches what is missing, on demand first, and ends surplus instances that are idle. */
  #meet(): void {
    const staying = [...this.#machines].filter(({ state }) => state !== 'leaving');
    let onDemand = staying.filter((machine) => machine.onDemand).length;
    for (let n = staying.length; n < this.#desired; n += 1) {
      if (onDemand < this.#base) {
        onDemand += 1;
        this.#launch(this.#bootSeconds(), true);
      } else if (this.#isDry()) {
        this.#refused = true;
        break;
      } else {
        this.#refused = false;
        this.#launch(this.#bootSeconds(), false);
      }
    }
    let over = staying.length - this.#desired;
    for (const machine of staying) {
      if (over <= 0) break;
      if (machine.running.size > 0) continue;
      this.#end(machine);
      over -= 1;
    }
  }

  #isDry(): boolean {
    const { dry } = this.#workload;
    return dry !== null && this.#now >= dry.from && this.#now < dry.until;
  }

  #launch(boot: number, onDemand: boolean): void {
    const machine: Machine = { launched: this.#now, onDemand, boot, state: 'pending', running: new Set(), busy: 0 };
    this.#machines.add(machine);
    this.#peak = Math.max(this.#peak, this.#machines.size);
    this.#agenda.put(this.#now + boot, { what: 'ready', machine, busy: 0 });
    const { storm } = this.#workload;
    if (storm === null || onDemand) return;
    const at = Math.max(this.#now, storm.from) - storm.life * Math.log(1 - this.#random());
    if (at < storm.until) this.#agenda.put(at, { what: 'notice', machine, busy: 0 });
  }

  #fill(machine: Machine): void {
    if (machine.state !== 'up') return;
    while (machine.running.size < this.#workload.slots) {
      const unit = this.#queue.take();
      if (unit === null) break;
      const running = { unit, began: this.#now };
      machine.running.add(running);
      machine.busy += 1;
      this.#agenda.put(this.#now + unit.seconds, { what: 'end', machine, running });
    }
    const { idleExit } = this.#policy;
    if (machine.running.size > 0 || idleExit === null) return;
    this.#agenda.put(this.#now + idleExit, { what: 'idle', machine, busy: machine.busy });
  }

  /** Tasks in progress are run again elsewhere. The finished tasks of a unit count. */
  #interrupt(machine: Machine): void {
    for (const { unit, began } of machine.running) {
      const ended = Math.min(unit.tasks - 1, Math.floor((unit.tasks * (this.#now - began)) / unit.seconds));
      const seconds = (unit.seconds * ended) / unit.tasks;
      unit.job.record(ended, seconds, this.#now);
      unit.job.giveBack({ job: unit.job, tasks: unit.tasks - ended, seconds: unit.seconds - seconds });
    }
    this.#interrupted += 1;
    this.#takenAt.push(this.#now);
    machine.running.clear();
    this.#end(machine);
    for (const other of this.#machines) if (other.running.size < this.#workload.slots) this.#fill(other);
  }

  #end(machine: Machine): void {
    machine.state = 'gone';
    this.#machines.delete(machine);
    // Billed per second, at least a minute (Amazon EC2: billing).
    const paid = Math.max(60, this.#now - machine.launched);
    this.#seconds += paid;
    if (machine.onDemand) this.#onDemandSeconds += paid;
  }

  /** Log-normal: with a mean of ninety seconds, most boots take one to three minutes. */
  #bootSeconds(): number {
    return this.#workload.boot * Math.exp(0.3 * randomNormal(this.#random) - 0.045);
  }
}
