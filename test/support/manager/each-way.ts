import { Workspace } from '../workspace.ts';
import { type ManagedOptions, ManagedWorkspace } from './managed-workspace.ts';

const { BATCHCTL_TEST_SET: set } = process.env;

/**
 * Describes what is to hold directly and through a manager, with so many workers of its own: the same suite, twice. In files
 * named `.each-way.test.ts`, of which `npm test` runs the first half, and `npm run test:services` the second.
 */
export function eachWay(
  title: string,
  suite: (this: Mocha.Suite, make: () => Promise<Workspace>) => void,
  options: ManagedOptions = {},
): void {
  direct(title, function () {
    suite.call(this, async () => new Workspace());
  });
  if (set === 'local') return;
  describe(`${title}, through a manager`, function () {
    suite.call(this, () => ManagedWorkspace.make(options));
  });
}

/** Describes what needs to hold directly only, in such a file. */
export function direct(title: string, suite: (this: Mocha.Suite) => void): void {
  if (set !== 'services') describe(title, suite);
}
