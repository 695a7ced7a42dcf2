// Protects: figures in a report read correctly, and its CSV is safe to open in a spreadsheet.

import { expect } from 'chai';
import {
  counterRate,
  formatChange,
  formatDifference,
  formatFigure,
  formatShare,
  formatSide,
  measuredText,
} from '../../src/cli/report-figures.ts';
import { csvHeader, csvLine } from '../../src/cli/report-output.ts';
import { sparkline } from '../../src/cli/report-text.ts';
import type { Figure } from '../../src/model/answers/report.ts';
import { event, T0 } from '../contracts/ledger-events.ts';

const figureOf = (changed: Partial<Figure>): Figure => ({
  code: 'failed',
  name: 'failed',
  step: null,
  unit: 'count',
  perTask: false,
  before: 1,
  now: 1,
  change: 0,
  exact: null,
  better: 'less',
  matters: true,
  regressed: false,
  ...changed,
});

describe("a report's figures for people", () => {
  it('include the rate of a counter where a second or more passed and the counter is positive', () => {
    expect(counterRate('500', 4)).to.equal(125);
    expect([
      counterRate('500', 0.9),
      counterRate('500', null),
      counterRate('0', 4),
      counterRate('-3', 4),
    ]).to.deep.equal([null, null, null, null]);
  });

  it('are printed in their units', () => {
    const format = (value: number | null, unit: Figure['unit'], perTask = false) =>
      formatFigure(value, { unit, perTask });
    const units = [format(null, 'seconds'), format(90, 'seconds'), format(1e6, 'bytes'), format(0.5, 'perSecond')];
    expect(units).to.deep.equal(['-', '1m30s', '1MB', '0.5/s']);
    const counts = [format(12.5, 'usd'), format(1234, 'count'), format(0.0374, 'count', true)];
    expect(counts).to.deep.equal(['$12.50', '1,234', '3.7%']);
    const shares = [0, 0.0001, 0.001, 0.1, 0.934, 0.9996, 1].map(formatShare);
    expect(shares).to.deep.equal(['0%', '< 0.1%', '0.1%', '10%', '93%', '99.9%', '100%']);
  });

  it('say for how many attempts CPU and memory were measured, unless for all or none', () => {
    const step = (measured: number, count: number | null) =>
      ({ measured, duration: count === null ? null : { count } }) as Parameters<typeof measuredText>[0][number];
    expect(measuredText([step(160, 2_026), step(1, 1), step(0, null)])).to.equal('of 161 of 2,027 attempts');
    expect(measuredText([step(7, 7)])).to.equal(null);
    expect(measuredText([step(0, 7)])).to.equal(null);
  });

  it('show a change in percent, from zero, from an unknown value, none, and a negligible one', () => {
    expect(formatChange(figureOf({ before: 2, now: 3, change: 0.5 }))).to.equal('+50%');
    expect(formatChange(figureOf({ before: 0.001, now: 12, change: 11_999 }))).to.equal('+1,199,900%');
    expect(formatChange(figureOf({ before: 0, now: 3, change: null }))).to.equal('new');
    expect(formatChange(figureOf({ before: null, change: null }))).to.equal('');
    expect([formatChange(figureOf({})), formatChange(figureOf({ change: 0.001 }))]).to.deep.equal(['=', '~']);
  });

  it('show all digits of a counter, and its exact difference, as it may be money', () => {
    const money = (before: string, now: string, difference: string, change: number | null) =>
      figureOf({
        code: 'counter',
        unit: 'number',
        before: Number(before),
        now: Number(now),
        change,
        exact: { before, now, difference },
      });
    const cent = money('49949590.50', '49949590.51', '0.01', 2e-10);
    expect([formatSide(cent, 'before'), formatSide(cent, 'now')]).to.deep.equal(['49,949,590.50', '49,949,590.51']);
    expect(formatDifference(cent)).to.equal('+0.01');
    expect(formatDifference(money('100', '88', '-12', -0.12))).to.equal('-12% (-12)');
    expect(formatDifference(money('1', '1205.5', '1204.5', 1204.5))).to.equal('+120,450% (+1,204.5)');
    expect(formatDifference(money('5', '5', '0', 0))).to.equal('=');
    expect(formatSide(figureOf({ before: 1234 }), 'before')).to.equal('1,234');
  });

  it('show money below a cent, and by how much it changed', () => {
    const cost = (before: number, now: number) =>
      figureOf({ code: 'cost', unit: 'usd', before, now, change: before === 0 ? null : (now - before) / before });
    const small = cost(0.0021, 0.0042);
    expect([formatSide(small, 'before'), formatSide(small, 'now')]).to.deep.equal(['$0.0021', '$0.0042']);
    expect(formatDifference(small)).to.equal('+100% (+$0.0021)');
    expect(formatDifference(cost(0.0042, 0.0021))).to.equal('-50% (-$0.0021)');
    expect(formatDifference(cost(10_000, 9_999.5))).to.equal('-$0.50');
    expect(formatDifference(cost(0, 0.004))).to.equal('new (+$0.0040)');
    expect(formatDifference(cost(1, 1))).to.equal('=');
    expect(formatSide(cost(1_204.5, 1), 'before')).to.equal('$1,204.50');
  });

  it('draw a series within the width, with its highest value highest', () => {
    expect(sparkline([0, 1, 4, 8], 10)).to.equal(' ▂▅█');
    const long = Array.from({ length: 240 }, (_, n) => n);
    expect(sparkline(long, 40)).to.have.length(40);
    expect(sparkline([0, 0], 10)).to.equal('  ');
  });
});

describe('an attempt as a line of CSV', () => {
  it('quotes where necessary, leaves unknown values empty, and writes no formula', () => {
    const facts = { exitCode: 3, reason: 'exit', error: '=1+1, "no" rate', waitSeconds: 1.5 };
    const failed = event('failedAttempt', 7, facts);
    const [line, ...rest] = csvLine(failed, { counters: ['claims'], params: [] }).split('\r\n');
    expect(rest).to.deep.equal(['']);
    const at = new Date(T0).toISOString();
    const end = new Date(T0 + 1_000).toISOString();
    expect(line).to.equal(
      `claims-1,price,7,0,1,t7,failedAttempt,w1,0,${at},${end},1,1.5,3,exit,"'=1+1, ""no"" rate",,,,,` +
        'jobs/claims-1/steps/price/log/000000007.t7,',
    );
  });

  it('has as many cells as the header has columns', () => {
    const names = { counters: ['claims', 'amount'], params: ['lr', 'seed'] };
    const attempt = { ...event('running', 1, { counters: { amount: '0.10' } }), params: { lr: '-1e-3', seed: '=2' } };
    const line = csvLine(attempt, names);
    const header = csvHeader(names);
    expect(line.split(',')).to.have.length(header.split(',').length);
    expect(line.endsWith(",-1e-3,'=2,,0.10\r\n")).to.equal(true);
    expect(header.endsWith(',log,param:lr,param:seed,counter:claims,counter:amount\r\n')).to.equal(true);
  });
});
