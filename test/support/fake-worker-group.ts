import type { GroupStatus } from '../../src/model/group-status.ts';
import type { WorkerGroup } from '../../src/ports/worker-group.ts';

/** A group that could be sized automatically and has no worker. */
export const groupStatus = (fields: Partial<GroupStatus> = {}): GroupStatus => ({
  group: 'default',
  desired: 20,
  min: 0,
  max: 50,
  mode: 'auto',
  running: 0,
  until: null,
  ...fields,
});

/** A worker group with the methods that a test needs. The others fail. */
export function fakeWorkerGroup(methods: Partial<WorkerGroup>): WorkerGroup {
  const fail = () => Promise.reject(new Error('the test expects no such call of the group'));
  return {
    group: 'default',
    describe: fail,
    resize: fail,
    raise: fail,
    lower: fail,
    order: fail,
    machines: fail,
    launchTroubles: fail,
    ...methods,
  };
}
