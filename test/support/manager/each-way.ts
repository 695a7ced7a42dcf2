import { Workspace } from '../workspace.ts';
import { type ManagedOptions, ManagedWorkspace } from './managed-workspace.ts';

/** Seconds of a lease that a busy machine keeps: a task whose lease expires runs again. */
const LEASE = 10;
const HALVES = ['local', 'services'];
const halves = (process.env.BATCHCTL_TEST_SETS ?? '').split(' ').filter((set) => HALVES.includes(set));
/** Where a run names neither set, it has both halves. */
const runs = (half: string): boolean => halves.length === 0 || halves.includes(half);

/**
 * Describes what is to hold directly and through a manager, with so many workers of its own: the same suite, twice. In files
 * named `.each-way.test.ts`, of which `npm test` runs the first half, and `npm run test:services` the second.
 */
export function eachWay(
  title: string,
  suite: (this: Mocha.Suite, make: () => Promise<Workspace>) => void,
  options: Omit<ManagedOptions, 'lease'> = {},
): void {
  direct(title, function () {
    suite.call(this, async () => new Workspace(undefined, LEASE));
  });
  if (!runs('services')) return;
  describe(`${title}, through a manager`, function () {
    suite.call(this, () => ManagedWorkspace.make({ ...options, lease: LEASE }));
  });
}

/** Describes what needs to hold directly only, in such a file. */
export function direct(title: string, suite: (this: Mocha.Suite) => void): void {
  if (runs('local')) describe(title, suite);
}
