// Protects: charts in the HTML report have correct, readable axes and labels, even across daylight saving changes.

import { expect } from 'chai';
import fc from 'fast-check';
import { formatShare } from '../../../src/cli/report-figures.ts';
import { formatPace, shorten } from '../../../src/cli/report-html/figures.ts';
import { html } from '../../../src/cli/report-html/html.ts';
import { durationTicks, labelRows, logScale, niceTicks, timeTicks, widthOf } from '../../../src/cli/report-html/svg.ts';

/** The labels of an axis of time, with a comma between them. */
const labelsOf = (from: string, seconds: number, zone: string, count: number): string =>
  timeTicks(Date.parse(from), seconds, zone, count)
    .map(({ label }) => label)
    .join(', ');

describe('the axes of the HTML report', () => {
  it('have round values up to the largest', () => {
    expect(niceTicks(1.93, 4)).to.deep.equal([0, 0.5, 1, 1.5, 2]);
    expect(niceTicks(4400, 4)).to.deep.equal([0, 2000, 4000, 6000]);
    expect(niceTicks(1, 2, true)).to.deep.equal([0, 1]);
    expect(niceTicks(0, 3)).to.deep.equal([0, 1]);
  });

  it('never end below the largest value, nor have many more marks than requested', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), fc.integer({ min: 2, max: 6 }), (max, count) => {
        const ticks = niceTicks(max, count);
        expect(ticks.at(-1)).to.be.at.least(max * (1 - 1e-9));
        expect(ticks.length).to.be.at.most(count + 2);
      }),
    );
  });

  it('show round times of the zone', () => {
    const london = labelsOf('2026-11-30T18:31:10Z', 1700, 'Europe/London', 6);
    expect(london).to.equal('18:35, 18:40, 18:45, 18:50, 18:55');
    const kathmandu = labelsOf('2026-11-30T18:31:10Z', 7200, 'Asia/Kathmandu', 5);
    expect(kathmandu).to.equal('00:30, 01:00, 01:30, 02:00');
  });

  it('show a date at midnight, and only dates over days', () => {
    expect(labelsOf('2026-11-30T18:30:00Z', 33_000, 'UTC', 5)).to.equal('20:00, 22:00, 1 Dec, 02:00');
    expect(labelsOf('2026-11-28T18:30:00Z', 4 * 86_400, 'UTC', 4)).to.equal('29 Nov, 30 Nov, 1 Dec, 2 Dec');
  });

  it('stay at round hours when summer time ends', () => {
    const labels = labelsOf('2026-10-24T22:30:00Z', 12 * 3600, 'Europe/London', 6);
    expect(labels).to.equal('25 Oct, 02:00, 04:00, 06:00, 08:00, 10:00');
  });

  it('count from the start if everything is over within seconds', () => {
    expect(labelsOf('2026-11-30T18:30:00.123Z', 0.8, 'UTC', 5)).to.equal('+0s, +0.2s, +0.4s, +0.6s, +0.8s');
  });

  it('have space for durations that are all equal, or absent', () => {
    for (const durations of [[5], [0], [0.0004, 0.0004]]) {
      const scale = logScale(durations);
      expect(scale.to / scale.from).to.be.at.least(3.9);
      expect(scale.at(durations[0] ?? 0)).to.be.within(0, 1);
    }
    expect(durationTicks(logScale([2, 600]), 5).map(({ label }) => label)).to.deep.equal(['2s', '10s', '1m', '5m']);
  });

  it('place labels side by side or in rows, without overlap and inside the chart', () => {
    const labels = fc.array(
      fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), label: fc.string({ minLength: 1, maxLength: 14 }) }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(labels, fc.integer({ min: 250, max: 1200 }), (some, pixels) => {
        const boxes = labelRows(some, pixels).map(({ at, label, row, anchor }) => {
          const width = widthOf(label);
          const from = at * pixels - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
          return { row, from, to: from + width };
        });
        for (const [i, one] of boxes.entries()) {
          expect(one.from).to.be.at.least(-1e-6);
          expect(one.to).to.be.at.most(pixels + 1e-6);
          for (const other of boxes.slice(i + 1)) {
            expect(one.row !== other.row || one.to <= other.from || other.to <= one.from).to.equal(true);
          }
        }
      }),
    );
  });
});

describe('texts of the HTML report', () => {
  it('show a rate in the unit in which it is at least one', () => {
    expect([30.44, 0.5, 0.01, 0.0001].map(formatPace)).to.deep.equal(['30.4/s', '30/min', '36/h', '0.4/h']);
  });

  it('never round a share up to 100 %, or down to 0 %', () => {
    const shares = [1, 0.9999, 0.5, 0.0105, 0.00001, 0].map(formatShare);
    expect(shares).to.deep.equal(['100%', '99.9%', '50%', '1%', '< 0.1%', '0%']);
  });

  it('keep the end of a name, which distinguishes it from others', () => {
    expect(shorten('a-worker-with-a-long-name slot 3', 16)).to.equal('a-wor…ame slot 3');
  });

  it('are escaped in text and in attributes, and not twice when nested', () => {
    const inner = html`<b title="${'"<x>'}">${'a & b'}</b>`;
    expect(html`<p>${inner}${null}${false}${[1, inner]}</p>`.text).to.equal(`<p>${inner.text}1${inner.text}</p>`);
    expect(inner.text).to.equal('<b title="&quot;&lt;x&gt;">a &amp; b</b>');
  });
});
