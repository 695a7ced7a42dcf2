import { Chance } from '../fuzz/chance.ts';
import type { Cloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';

/** What EC2, networks and people do to instances while they work, and how often in one storm. */
const BLOWS = { interrupt: 6, rebalance: 4, terminate: 4, kill: 4, partition: 4 } as const;

type Blow = keyof typeof BLOWS;

export interface StormOptions {
  readonly cloud: Cloud;
  readonly group: string;
  readonly seed: number;
  /** Seconds from a notice to the interruption: two minutes on EC2. */
  readonly notice: number;
  /** Milliseconds that a partition lasts, about. */
  readonly partition: number;
  /** Ends an instance in EC2, as somebody with a console does. */
  terminate(instance: string): Promise<void>;
}

/** Strikes instances in service at random, and each blow as often as it should; `story` says what it did. */
export class Storm {
  readonly story: string[] = [];
  /** Blows left. */
  readonly #deck: Blow[];
  readonly #options: StormOptions;
  readonly #chance: Chance;
  readonly #began = performance.now();
  readonly #healing = new Map<NodeJS.Timeout, string>();

  constructor(options: StormOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
    const all = Object.entries(BLOWS).flatMap(([blow, times]) => Array<Blow>(times).fill(blow as Blow));
    this.#deck = shuffled(all, this.#chance);
  }

  get left(): number {
    return this.#deck.length;
  }

  /** The next blow; false while there is no one to be struck. */
  strike(): boolean {
    const { cloud, group, notice } = this.#options;
    const serving = cloud.grid.instances(group).filter(({ state, gone }) => state === 'InService' && !gone);
    const blow = this.#deck.at(-1);
    if (serving.length === 0 || blow === undefined) return false;
    this.#deck.pop();
    const victim = this.#chance.pick(serving);
    const at = ((performance.now() - this.#began) / 1_000).toFixed(1);
    this.story.push(`${at} s: ${blow} ${victim.id}, one of ${serving.length} in service`);
    if (blow === 'interrupt') cloud.grid.interrupt(victim, notice);
    else if (blow === 'rebalance') cloud.grid.rebalance(victim);
    else if (blow === 'kill') cloud.grid.kill(victim);
    else if (blow === 'partition') this.#partition(victim);
    else void this.#options.terminate(victim.id).catch((error) => this.story.push(`it was not ended: ${error}`));
    return true;
  }

  /** Heals all partitions. */
  calm(): void {
    for (const [timer, id] of this.#healing) {
      clearTimeout(timer);
      this.#options.cloud.grid.partition(id, false);
    }
    this.#healing.clear();
  }

  #partition({ id }: GridInstance): void {
    const { grid } = this.#options.cloud;
    grid.partition(id);
    const timer = setTimeout(
      () => {
        this.#healing.delete(timer);
        grid.partition(id, false);
      },
      this.#options.partition * (0.5 + this.#chance.next()),
    );
    this.#healing.set(timer, id);
  }
}

function shuffled<T>(from: readonly T[], chance: Chance): T[] {
  const left = [...from];
  const deck: T[] = [];
  while (left.length > 0) deck.push(...left.splice(chance.whole(0, left.length - 1), 1));
  return deck;
}
