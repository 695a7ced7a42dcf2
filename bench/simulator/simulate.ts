import { normal, type Random, seededRandom } from '../../src/model/forecast/random.ts';
import { Agenda } from './heap.ts';
import type { Policy } from './policies.ts';
import { JobState, Queue, type Unit } from './queue.ts';
import type { Job, Workload } from './workloads.ts';

export interface Played {
  /** Seconds from the start of each job until it ended, by its name. */
  readonly ended: ReadonlyMap<string, number>;
  /** Instance hours, until the group is as small as it gets. */
  readonly hours: number;
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
  state: 'pending' | 'up' | 'leaving' | 'gone';
  readonly running: Set<Running>;
  /** How often it began something: an idle time that was asked about is over when this has moved. */
  busy: number;
}

/** Notice that EC2 gives before it takes a spot instance back (Amazon EC2: spot instance interruption notices). */
const NOTICE = 120;
/** Nothing goes on for longer. */
const END = 14 * 86_400;

/** Plays a workload against a policy: seconds pass from event to event. The same seed plays the same. */
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

  constructor(workload: Workload, policy: Policy, seed: number) {
    this.#workload = workload;
    this.#policy = policy;
    this.#random = seededRandom(seed);
    this.#desired = policy.min;
    this.#left = workload.jobs.length;
  }

  play(): Played {
    for (const job of this.#workload.jobs) this.#agenda.put(job.at, { what: 'submit', job });
    for (let n = 0; n < this.#policy.min; n += 1) this.#launch(0);
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
    return { ended: new Map(ended), hours, peak: this.#peak, interrupted: this.#interrupted };
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
        // It takes its place with it.
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
    this.#desired = this.#policy.decide({
      ...{ now: this.#now, desired: this.#desired, inService: up, visible: this.#queue.visible },
      jobs: open.map((job) => job.sight(this.#now)),
    });
    this.#meet();
  }

  /** As Auto Scaling does: launches what is missing, and ends what is too much, but for who works. */
  #meet(): void {
    const staying = [...this.#machines].filter(({ state }) => state !== 'leaving');
    for (let n = staying.length; n < this.#desired; n += 1) this.#launch(this.#bootSeconds());
    let over = staying.length - this.#desired;
    for (const machine of staying) {
      if (over <= 0) break;
      if (machine.running.size > 0) continue;
      this.#end(machine);
      over -= 1;
    }
  }

  #launch(boot: number): void {
    const machine: Machine = { launched: this.#now, state: 'pending', running: new Set(), busy: 0 };
    this.#machines.add(machine);
    this.#peak = Math.max(this.#peak, this.#machines.size);
    this.#agenda.put(this.#now + boot, { what: 'ready', machine, busy: 0 });
    const { storm } = this.#workload;
    if (storm === null) return;
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

  /** What it has begun is done again elsewhere, but for the tasks of a unit that had ended. */
  #interrupt(machine: Machine): void {
    for (const { unit, began } of machine.running) {
      const ended = Math.min(unit.tasks - 1, Math.floor((unit.tasks * (this.#now - began)) / unit.seconds));
      const seconds = (unit.seconds * ended) / unit.tasks;
      unit.job.record(ended, seconds, this.#now);
      unit.job.giveBack({ job: unit.job, tasks: unit.tasks - ended, seconds: unit.seconds - seconds });
    }
    this.#interrupted += 1;
    machine.running.clear();
    this.#end(machine);
    for (const other of this.#machines) if (other.running.size < this.#workload.slots) this.#fill(other);
  }

  #end(machine: Machine): void {
    machine.state = 'gone';
    this.#machines.delete(machine);
    // By the second, and a minute at least (Amazon EC2: billing).
    this.#seconds += Math.max(60, this.#now - machine.launched);
  }

  /** Ninety seconds, most of them between one minute and three. */
  #bootSeconds(): number {
    return 90 * Math.exp(0.3 * normal(this.#random) - 0.045);
  }
}
