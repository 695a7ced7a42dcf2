import { Workspace } from '../workspace.ts';
import { type ManagedOptions, ManagedWorkspace } from './managed-workspace.ts';

/** Describes what is to hold directly and through a manager, with so many workers of its own: the same suite, twice. */
export function eachWay(
  title: string,
  suite: (this: Mocha.Suite, make: () => Promise<Workspace>) => void,
  options: ManagedOptions = {},
): void {
  describe(title, function () {
    suite.call(this, async () => new Workspace());
  });
  describe(`${title}, through a manager`, function () {
    suite.call(this, () => ManagedWorkspace.make(options));
  });
}
