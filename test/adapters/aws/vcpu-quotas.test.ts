// Protects: each instance type counts towards the vCPU quota of its family, and groups of one family are added up.
import { expect } from 'chai';
import { quotaNeeds, quotaUseOf, quotaWarning } from '../../../src/adapters/aws/vcpu-quotas.ts';

describe('vCPU quotas', () => {
  const table: readonly (readonly [types: string, onDemand: string | null, spot: string | null])[] = [
    [
      'a1.large c7g.large c7gd.metal d3en.xlarge h1.2xlarge i7ie.large im4gn.large is4gen.large',
      'L-1216C47A',
      'L-34B43A08',
    ],
    ['m7i-flex.large r8g.large t4g.small z1d.large', 'L-1216C47A', 'L-34B43A08'],
    ['g5.xlarge g6e.xlarge gr6.4xlarge vt1.3xlarge', 'L-DB2E81BA', 'L-3819A6DF'],
    ['p2.xlarge p3dn.24xlarge p4d.24xlarge', 'L-417A185B', 'L-7212CCBC'],
    ['p5.48xlarge p5en.48xlarge', 'L-417A185B', 'L-C4BD4855'],
    ['p6-b200.48xlarge', 'L-417A185B', null],
    ['x2idn.16xlarge x8g.large', 'L-7295265B', 'L-E3A00192'],
    ['f2.6xlarge', 'L-74FC7D96', 'L-88CF9481'],
    ['inf2.xlarge', 'L-1945791B', 'L-B5D1601B'],
    ['trn1n.32xlarge trn2.48xlarge', 'L-2C3B7624', 'L-6B0D517C'],
    ['dl1.24xlarge dl2q.24xlarge', 'L-6E869C2A', 'L-85EED4F7'],
    ['hpc7g.4xlarge', 'L-F7808C92', null],
    ['u-6tb1.56xlarge u7i-12tb.224xlarge', 'L-43DA4232', null],
    // Only on dedicated hosts, which have their own quotas.
    ['mac2.metal', null, null],
  ];
  for (const [types, onDemand, spot] of table) {
    it(`are ${onDemand} and ${spot} for ${types}`, () => {
      for (const type of types.split(' ')) {
        const needs = quotaNeeds([{ where: 'one', instances: [type], spot: 1, onDemand: 1 }], new Map([[type, 4]]));
        expect(
          needs.map(({ code }) => code),
          type,
        ).to.deep.equal([spot, onDemand].filter((code) => code !== null));
        expect(needs.every(({ needed }) => needed === 4)).to.equal(true);
      }
    });
  }

  it('cover all groups at their maximum, each with its largest type; on demand also for instances that replace spot', () => {
    const group = { spot: true, max: 10, onDemandBase: 1, onDemandMax: 3, instances: ['c7g.large', 'm7g.xlarge'] };
    const uses = [
      quotaUseOf(group, 'a'),
      quotaUseOf({ ...group, onDemandMax: 0 }, 'b'),
      quotaUseOf({ ...group, spot: false, max: 5, instances: ['c7g.large', 'x2gd.medium'] }, 'c'),
    ];
    const vcpus = new Map([
      ['c7g.large', 2],
      ['m7g.xlarge', 4],
      ['x2gd.medium', 1],
    ]);
    const found = quotaNeeds(uses, vcpus).map(({ code, needed, where }) => [code, needed, where.join(' ')]);
    expect(found).to.deep.equal([
      ['L-34B43A08', 2 * 9 * 4, 'a b'],
      ['L-1216C47A', 3 * 4 + 1 * 4 + 5 * 2, 'a b c'],
      ['L-7295265B', 5, 'c'],
    ]);
  });

  it('lead to a warning below what is needed, but not at it', () => {
    const need = { code: 'L-1', what: 'spot instances of F', needed: 16, where: ['a'] };
    expect(quotaWarning({ ...need, quota: 16 }, 'eu-west-1')).to.equal(null);
    expect(quotaWarning({ ...need, quota: 15 }, 'eu-west-1')?.fix).to.include('--desired-value 16');
    expect(quotaWarning({ ...need, quota: null }, 'eu-west-1')?.message).to.include('is unknown');
  });
});
