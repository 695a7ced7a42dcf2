import type { _InstanceType, SpotPrice } from '@aws-sdk/client-ec2';
import type { Clock } from '../../lib/clock.ts';
import type { GroupPrices, HourPrice } from '../../model/group-status.ts';
import type { AwsClients } from './clients.ts';
import { translateAwsError } from './errors.ts';

/** How long an answer is kept, milliseconds. Spot prices change a few times a day. */
const HOLDS_MS = 600_000;
/** How soon a failed look-up is tried again, milliseconds. */
const AGAIN_MS = 60_000;
/** The market for instances in a VPC (EC2: DescribeSpotPriceHistory, ProductDescription). */
const PRODUCT = 'Linux/UNIX';

export interface MachinePricesOptions {
  readonly clients: AwsClients;
  readonly clock: Clock;
  /** US dollars per hour by instance type, from the profile. */
  readonly configured: Readonly<Record<string, number>>;
  /** False if an emulator replaces the store but not EC2: real AWS isn't asked with the emulator's credentials. */
  readonly asksMarket: boolean;
}

interface Answer {
  readonly until: number;
  readonly hours: readonly HourPrice[];
  readonly trouble: string | null;
}

/** Prices of machines per hour: spot from the market, all others from the profile. One instance serves all groups. */
export class MachinePrices {
  readonly #options: MachinePricesOptions;
  /** By the set of types asked for. */
  readonly #answers = new Map<string, Promise<Answer>>();

  constructor(options: MachinePricesOptions) {
    this.#options = options;
  }

  /** Prices of the group's types and former types. Never throws: a price that can't be read is unknown. */
  async forGroup(
    types: readonly string[],
    { spot, also = [] }: { readonly spot: boolean; readonly also?: readonly string[] },
  ): Promise<Omit<GroupPrices, 'slots'>> {
    const configured = Object.entries(this.#options.configured).map(
      ([type, usd]): HourPrice => ({ type, kind: 'configured', zone: null, usd }),
    );
    const asked = [...new Set([...(spot ? types : []), ...also])].sort();
    const market = asked.length > 0 && this.#options.asksMarket ? await this.#market(asked) : null;
    return {
      types,
      lifeCycle: spot ? 'spot' : 'on-demand',
      hours: [...(market?.hours ?? []), ...configured],
      trouble: market?.trouble ?? null,
    };
  }

  async #market(types: readonly string[]): Promise<Answer> {
    const key = types.join(' ');
    const now = this.#options.clock.monotonic();
    const known = this.#answers.get(key);
    if (known !== undefined && (await known).until > now) return known;
    const asked = this.#ask(types, now);
    this.#answers.set(key, asked);
    return asked;
  }

  async #ask(types: readonly string[], now: number): Promise<Answer> {
    try {
      return { until: now + HOLDS_MS, hours: newestOf(await this.#read(types)), trouble: null };
    } catch (error) {
      const doing = { what: 'read spot prices', action: 'ec2:DescribeSpotPriceHistory', resource: '*' };
      const { message } = translateAwsError(error, { ...doing, profile: this.#options.clients.profile });
      return { until: now + AGAIN_MS, hours: [], trouble: message };
    }
  }

  async #read(types: readonly string[]): Promise<readonly SpotPrice[]> {
    const { paginateDescribeSpotPriceHistory } = await import('@aws-sdk/client-ec2');
    const client = await this.#options.clients.ec2();
    // With a start time of now, the answer is the last change before it: the current price.
    const StartTime = new Date(this.#options.clock.now());
    const request = { InstanceTypes: types as _InstanceType[], ProductDescriptions: [PRODUCT], StartTime };
    const found: SpotPrice[] = [];
    for await (const page of paginateDescribeSpotPriceHistory({ client }, request)) {
      found.push(...(page.SpotPriceHistory ?? []));
    }
    return found;
  }
}

/** The latest price of each type in each zone. */
export function newestOf(history: readonly SpotPrice[]): readonly HourPrice[] {
  const newest = new Map<string, { readonly at: number; readonly price: HourPrice }>();
  for (const { InstanceType: type, AvailabilityZone: zone, SpotPrice: text, Timestamp } of history) {
    const usd = Number(text);
    if (type === undefined || zone === undefined || text === undefined || !(usd >= 0)) continue;
    const at = Timestamp?.getTime() ?? 0;
    const key = `${type} ${zone}`;
    if ((newest.get(key)?.at ?? Number.NEGATIVE_INFINITY) >= at) continue;
    newest.set(key, { at, price: { type, kind: 'spot', zone, usd } });
  }
  return [...newest.values()].map(({ price }) => price);
}

/**
 * The least number of processors of an instance type; null if its name doesn't say (EC2: instance type naming: large
 * has two, xlarge four, N-xlarge N times four; smaller sizes may have one).
 */
export function processorsOf(type: string): number | null {
  const [, size = ''] = /\.([a-z0-9]+)$/.exec(type) ?? [];
  if (/^(nano|micro|small|medium)$/.test(size)) return 1;
  if (size === 'large') return 2;
  const [, times] = /^(\d*)xlarge$/.exec(size) ?? [];
  return times === undefined ? null : 4 * Number(times === '' ? 1 : times);
}
