// Protects: the monthly costs in docs/aws.md follow from the price list.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkCost } from '../../src/infra/check.ts';
import { MANAGER_DISK } from '../../src/infra/grid.ts';
import { TASK_REQUESTS } from '../../src/jobs/plan.ts';
import { LIST_PRICES, MONTH_HOURS, requestsCost } from '../../src/model/cost/list-prices.ts';
import { type MetricsSnapshot, metricsOf } from '../../src/model/metrics.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/aws.md'), 'utf8');
const { instanceHour, databaseHour } = LIST_PRICES;

/** The month end on the page. */
const TASKS = 100_000;
const [SECONDS, SLOTS, VISIBILITY] = [30, 2, 120];
const HOURS = (TASKS * SECONDS) / SLOTS / 3_600;
/** Requests a task, as test/e2e/request-costs.services.test.ts counts them. */
const QUEUE_REQUESTS = 2.1 + (3 * SECONDS) / (VISIBILITY * SLOTS);
const GIGABYTES = 60;
const DISK = 30;
const SPOT = 0.4;

function workOf(): Readonly<Record<string, readonly [number, number]>> {
  const instances = HOURS * instanceHour['c7g.large'];
  const storage = GIGABYTES * LIST_PRICES.storageMonth;
  const besides = {
    'their volumes, 30 GB': [0, (HOURS * DISK * LIST_PRICES.volumeMonth) / MONTH_HOURS],
    'their public IPv4 addresses': [0, HOURS * LIST_PRICES.addressHour],
    'S3 storage': [storage, storage],
    'S3 requests, four a task': [0, TASKS * requestsCost({ ...TASK_REQUESTS, queue: 0 })],
    'SQS requests, 2.5 a task': [0, TASKS * requestsCost({ gets: 0, puts: 0, queue: QUEUE_REQUESTS })],
  } as const;
  const sum = (at: 0 | 1) => Object.values(besides).reduce((usd, each) => usd + each[at], 0);
  return {
    'instances, on demand': [0, instances],
    'the same, spot at 40% of that': [0, instances * SPOT],
    ...besides,
    'all of it, on spot': [sum(0), sum(1) + instances * SPOT],
  };
}

/** All that is known of one group. */
const ONE_GROUP: MetricsSnapshot = {
  at: 0,
  groups: [
    {
      group: 'default',
      ...{ visible: 0, leased: 0, delayed: 0, dead: 0, oldest: 0, desired: 0, inService: 0 },
      ...{ workers: 0, slots: 0, busy: 0, done: 0, failed: 0 },
    },
  ],
  jobs: { submitted: 0, running: 0, paused: 0 },
  late: 0,
  unknown: [],
};

const standing: Readonly<Record<string, readonly number[]>> = {
  [`the manager, \`t4g.small\` with its Elastic IP and ${MANAGER_DISK / 2 ** 30} GB`]: [
    MONTH_HOURS * (instanceHour['t4g.small'] + LIST_PRICES.addressHour) +
      (MANAGER_DISK / 2 ** 30) * LIST_PRICES.volumeMonth,
  ],
  'its `metrics` in CloudWatch, of one group': [metricsOf(ONE_GROUP).length * LIST_PRICES.metricMonth],
  'a NAT gateway in one zone, without traffic': [MONTH_HOURS * LIST_PRICES.natHour],
  'three interface endpoints (SQS, Auto Scaling, STS) in one zone, without traffic': [
    3 * MONTH_HOURS * LIST_PRICES.endpointHour,
  ],
  "a customer's KMS key": [LIST_PRICES.keyMonth],
  'PostgreSQL, `db.t4g.medium` in one zone, 20 GB': [database('db.t4g.medium')],
  'PostgreSQL, `db.m7g.large` in one zone, 20 GB': [database('db.m7g.large')],
  'RDS Proxy before either, which have two vCPUs': [MONTH_HOURS * 2 * LIST_PRICES.proxyHour],
};

function database(of: keyof typeof databaseHour): number {
  return MONTH_HOURS * databaseHour[of] + 20 * LIST_PRICES.databaseMonth;
}

const usd = (amount: number): string => `$${amount.toFixed(2)}`;

describe('the monthly costs in docs/aws.md', () => {
  /** The rows below the heading; their cells without asterisks. */
  const section = PAGE.split('\n## ').find((text) => text.startsWith('What a month costs')) ?? '';
  const rows = [...section.matchAll(/^\| (.+) \|$/gm)]
    .map(([, row = '']) => row.replaceAll('**', '').split(' | '))
    .filter(([, first]) => first?.startsWith('$'));

  it('are the figures that follow from the price list, and no others', () => {
    const wanted = Object.entries({ ...workOf(), ...standing }).map(([what, amounts]) => [what, ...amounts.map(usd)]);
    expect(rows).to.deep.equal(wanted);
    expect(section).to.include(`the ${GIGABYTES} GB would cost ${usd(GIGABYTES * LIST_PRICES.natGigabyte)} more`);
  });

  it('include infra check, in cents, and FIS', () => {
    const { most, interruption } = checkCost('t4g.small', null);
    // An hour of two instances whose processors are busy.
    expect(most).to.be.within(0.2, 0.3);
    expect(PAGE).to.include(`FIS costs about ${usd(interruption)}.`);
    expect(checkCost('x9.huge', null)).to.include({ instanceHour: null, most: null });
    expect(checkCost('t4g.small', 0.006).most).to.be.below(most ?? 0);
  });
});
