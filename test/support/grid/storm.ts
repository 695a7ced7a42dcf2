import { Chance } from '../fuzz/chance.ts';
import type { Cloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';

/** What EC2, networks and people do to instances while they work. */
const BLOWS = [
  [4, 'interrupt'],
  [2, 'rebalance'],
  [3, 'terminate'],
  [3, 'kill'],
  [3, 'partition'],
] as const;

type Blow = (typeof BLOWS)[number][1];

export interface StormOptions {
  readonly cloud: Cloud;
  readonly group: string;
  readonly seed: number;
  /** Milliseconds between two blows, about. */
  readonly every: number;
  /** Seconds from a notice to the interruption: two minutes on EC2. */
  readonly notice: number;
  /** Milliseconds that a partition lasts, about. */
  readonly partition: number;
  /** Ends an instance in EC2, as somebody with a console does. */
  terminate(instance: string): Promise<void>;
}

/** Strikes at random, and can be told again by its seed; `story` says what it did. */
export class Storm {
  readonly story: string[] = [];
  readonly #options: StormOptions;
  readonly #chance: Chance;
  readonly #began = performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #cut = new Set<string>();
  #over = false;

  constructor(options: StormOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
    this.#next();
  }

  /** How often it did so. */
  count(blow: Blow): number {
    return this.story.filter((line) => line.includes(` ${blow} `)).length;
  }

  /** It strikes no more, and all partitions are healed. */
  calm(): void {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const id of this.#cut) this.#options.cloud.grid.partition(id, false);
    this.#cut.clear();
  }

  #next(): void {
    if (this.#over) return;
    this.#after(this.#options.every * (0.5 + this.#chance.next()), () => {
      this.#strike();
      this.#next();
    });
  }

  #strike(): void {
    const { cloud, group, notice } = this.#options;
    const serving = cloud.grid.instances(group).filter(({ state, gone }) => state === 'InService' && !gone);
    if (serving.length === 0) return;
    const victim = this.#chance.pick(serving);
    const blow = this.#chance.weighted(BLOWS);
    const at = ((performance.now() - this.#began) / 1_000).toFixed(1);
    this.story.push(`${at} s: ${blow} ${victim.id} of ${serving.length}`);
    if (blow === 'interrupt') cloud.grid.interrupt(victim, notice);
    else if (blow === 'rebalance') cloud.grid.rebalance(victim);
    else if (blow === 'kill') cloud.grid.kill(victim);
    else if (blow === 'partition') this.#partition(victim);
    else void this.#options.terminate(victim.id).catch(() => undefined);
  }

  #partition({ id }: GridInstance): void {
    const { grid } = this.#options.cloud;
    grid.partition(id);
    this.#cut.add(id);
    this.#after(this.#options.partition * (0.5 + this.#chance.next()), () => {
      this.#cut.delete(id);
      grid.partition(id, false);
    });
  }

  #after(ms: number, call: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, ms);
    this.#timers.add(timer);
  }
}
