import { Workspace } from '../workspace.ts';
import { ManagedWorkspace } from './managed-workspace.ts';

/** Describes what is to hold directly and through a manager: the same suite, twice. */
export function eachWay(title: string, suite: (this: Mocha.Suite, make: () => Promise<Workspace>) => void): void {
  describe(title, function () {
    suite.call(this, async () => new Workspace());
  });
  describe(`${title}, through a manager`, function () {
    suite.call(this, () => ManagedWorkspace.make());
  });
}
