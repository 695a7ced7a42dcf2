// Protects: placeholders in commands and inputs get the right values, and unknown ones are refused.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { placeholdersOf, substitute, substituteRun } from '../../src/model/substitute.ts';

const params = { region: 'EU', item: '{region}', price: '$&' };
const inCommand = (text: string): string => substitute(text, params, { field: 'run', unknown: 'keep' });
const inInput = (text: string): string => substitute(text, params, { field: 'input.from', unknown: 'error' });

describe('substitution', () => {
  const table: readonly (readonly [text: string, becomes: string])[] = [
    ['claims-{region}.csv', 'claims-EU.csv'],
    ['{region}{region}', 'EUEU'],
    ['{item}', '{region}'],
    ['{price}', '$&'],
    ['{{region}', '{region}'],
    ['{print $1}', '{print $1}'],
    ['{other}', '{other}'],
    ['{{other}}', '{{other}}'],
    ['{{.State}}', '{{.State}}'],
    ['{toString}', '{toString}'],
    ['{', '{'],
  ];
  for (const [text, becomes] of table) {
    it(`turns ${text} into ${becomes} in an argument`, () => {
      expect(inCommand(text)).to.equal(becomes);
    });
  }

  it('refuses an unknown name in an input, and lists the known ones', () => {
    expect(() => inInput('a-{regin}.csv'))
      .to.throw(BatchctlError, 'input.from: no parameter {regin} (known: region, item, price)')
      .with.property('kind', 'jobFile');
    expect(() => substitute('{period}', {}, { field: 'input.from', unknown: 'error' }))
      .to.throw(BatchctlError, 'the job has none')
      .with.property('hint', 'set the period with --period P');
  });

  it('keeps an escaped name and other braces of an input', () => {
    expect(inInput('{{regin}-{a,b}.csv')).to.equal('{regin}-{a,b}.csv');
  });

  it('leaves a shell text unchanged, whose values are passed in the environment', () => {
    expect(substituteRun('echo {region}', params, 'run')).to.equal('echo {region}');
    expect(substituteRun(['echo', '{region}'], params, 'run')).to.deep.equal(['echo', 'EU']);
  });

  it('lists placeholders', () => {
    expect(placeholdersOf('{a}-{{b}-{c d}-{e}')).to.deep.equal(['a', 'e']);
  });
});
