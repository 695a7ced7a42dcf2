// Protects: Prometheus metrics are valid, and unknown values are left out instead of shown as 0.
import { expect } from 'chai';
import {
  type GroupMetrics,
  gauge,
  type MetricsSnapshot,
  managerMetrics,
  metricsOf,
  taskRateOf,
} from '../../src/model/metrics.ts';

const GROUP: GroupMetrics = {
  group: 'default',
  visible: 12,
  leased: 3,
  delayed: 0,
  dead: 1,
  oldest: 90,
  desired: 2,
  inService: 1,
  workers: 1,
  slots: 4,
  busy: 3,
  done: 30.5,
  failed: 0,
};
const SNAPSHOT: MetricsSnapshot = {
  at: 0,
  groups: [GROUP, { ...GROUP, group: 'gpu', oldest: null, desired: null, done: null, failed: null }],
  jobs: { submitted: 1, running: 2, paused: 1 },
  late: 1,
  unknown: [],
};

describe('metrics', () => {
  it('describe the stack and its groups, never a job, and leave out unknown values instead of showing 0', () => {
    const metrics = metricsOf(SNAPSHOT);
    const valuesOf = (name: string) =>
      metrics.filter((metric) => metric.name === name).map(({ value, group }) => [group, value]);
    expect(valuesOf('BacklogVisible')).to.deep.equal([
      ['default', 12],
      ['gpu', 12],
    ]);
    expect(valuesOf('OldestAge')).to.deep.equal([['default', 90]]);
    expect(valuesOf('Desired')).to.deep.equal([['default', 2]]);
    expect(valuesOf('TasksDone')).to.deep.equal([['default', 30.5]]);
    expect(valuesOf('JobsOpen')).to.deep.equal([[null, 4]]);
    expect(valuesOf('JobsLate')).to.deep.equal([[null, 1]]);
    expect(new Set(metrics.flatMap((metric) => Object.keys(metric)))).to.deep.equal(
      new Set(['name', 'unit', 'value', 'group']),
    );
  });

  it('follow the Prometheus format: a HELP and a TYPE before each family, one line per sample', () => {
    const text = managerMetrics(SNAPSHOT);
    expect(text).to.include(
      '# TYPE batchctl_backlog_visible gauge\nbatchctl_backlog_visible{group="default"} 12\nbatchctl_backlog_visible{group="gpu"} 12\n',
    );
    expect(text).to.include('batchctl_jobs_open{state="running"} 2\n');
    expect(text).to.include('batchctl_jobs_late 1\n');
    expect(text.match(/batchctl_tasks_done_per_minute\{/g)).to.have.length(1);
    for (const line of text.trimEnd().split('\n'))
      expect(line).to.match(/^(# (HELP|TYPE) batchctl_\w+ .+|batchctl_\w+(\{(\w+="[^"]*",?)+\})? -?\d+(\.\d+)?)$/);
    const families = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(new Set(families).size).to.equal(families.length);
  });

  it('have escaped labels', () => {
    expect(gauge('a', 'h\nx', [{ labels: { l: 'a"b\\c\nd' }, value: 1 }])).to.deep.equal([
      '# HELP a h\\nx',
      '# TYPE a gauge',
      'a{l="a\\"b\\\\c\\nd"} 1',
    ]);
    expect(gauge('a', 'h', [])).to.deep.equal([]);
  });

  describe('tasks per minute', () => {
    const tally = (worker: string, done: number, startedAt = 0) => ({
      worker,
      groups: ['default'],
      done,
      failed: 0,
      startedAt,
      seenAt: 0,
    });
    const MINUTE = 60_000;
    it('are computed from the work of workers at two looks', () => {
      const before = { at: 0, workers: [tally('a', 10), tally('b', 5)] };
      const now = { at: 2 * MINUTE, workers: [tally('a', 30), tally('b', 5), tally('new', 7, MINUTE)] };
      expect(taskRateOf('default', before, now)).to.deep.equal({ done: 13.5, failed: 0 });
      expect(taskRateOf('gpu', before, now)).to.deep.equal({ done: 0, failed: 0 });
    });
    it('are never below zero, and exclude workers that were not seen at the first look', () => {
      const before = { at: 0, workers: [tally('a', 10)] };
      const now = { at: MINUTE, workers: [tally('a', 4), tally('back', 1_000, -MINUTE)] };
      expect(taskRateOf('default', before, now)).to.deep.equal({ done: 0, failed: 0 });
      expect(taskRateOf('default', now, now)).to.equal(null);
    });
  });
});
