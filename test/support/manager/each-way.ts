import { Workspace } from '../workspace.ts';
import { type ManagedOptions, ManagedWorkspace } from './managed-workspace.ts';

/** Seconds: leases do not expire on a busy machine, because a task whose lease expires runs again. */
const LEASE = 10;
const HALVES = ['local', 'services'];
const requested = (process.env.BATCHCTL_TEST_SETS ?? '').split(' ').filter((set) => HALVES.includes(set));
/** A run that names neither set has both halves. */
const isRequested = (half: string): boolean => requested.length === 0 || requested.includes(half);

/**
 * Declares a suite twice: directly, and through a manager. For files named `.each-way.test.ts`: `npm test` runs the first
 * half, and `npm run test:services` the second. `options`: for the manager.
 */
export function describeEachWay(
  title: string,
  suite: (this: Mocha.Suite, make: () => Promise<Workspace>) => void,
  options: Omit<ManagedOptions, 'lease'> = {},
): void {
  describeDirectly(title, function () {
    suite.call(this, async () => new Workspace(undefined, LEASE));
  });
  if (!isRequested('services')) return;
  describe(`${title}, through a manager`, function () {
    suite.call(this, () => ManagedWorkspace.make({ ...options, lease: LEASE }));
  });
}

/** Declares a suite of such a file that runs only directly. */
export function describeDirectly(title: string, suite: (this: Mocha.Suite) => void): void {
  if (isRequested('local')) describe(title, suite);
}
