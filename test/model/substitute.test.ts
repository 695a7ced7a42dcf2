// Protects: placeholders in commands and inputs get the right values, and unknown ones are refused.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import {
  extensionOf,
  extensionOfPattern,
  placeholdersOf,
  substitute,
  substituteRun,
} from '../../src/model/substitute.ts';

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

describe('the extension of a file', () => {
  const table: readonly (readonly [name: string, extension: string, unpacked: string])[] = [
    ['in.mp4', '.mp4', '.mp4'],
    ['A.MP4', '.MP4', '.MP4'],
    ['claims.csv.gz', '.csv.gz', '.csv'],
    ['x.tar.zst', '.tar.zst', '.tar'],
    ['claims.gz', '.gz', ''],
    ['a.b.csv', '.csv', '.csv'],
    ['claims', '', ''],
    ['.profile', '', ''],
    ['.profile.txt', '.txt', '.txt'],
    ['a.', '', ''],
    ['..', '', ''],
    ['a.b c', '', ''],
    ['a.$(x)', '', ''],
    ['a.é', '', ''],
    [`a.${'x'.repeat(31)}`, `.${'x'.repeat(31)}`, `.${'x'.repeat(31)}`],
    [`a.${'x'.repeat(32)}`, '', ''],
  ];
  for (const [name, extension, unpacked] of table) {
    it(`${JSON.stringify(name)} is ${JSON.stringify(extension)}, and ${JSON.stringify(unpacked)} once decompressed`, () => {
      expect([extensionOf(name), extensionOf(name, { unpacked: true })]).to.deep.equal([extension, unpacked]);
    });
  }

  it('is known of a pattern if all names have it', () => {
    const known = [
      '{stem}.mkv',
      '{dir}/{stem}.tar.gz',
      'out-{task}.csv',
      '{stem}-x.y.mkv',
      'all.csv',
      '{input}',
      'v1.2/{task}',
    ];
    expect(known.map(extensionOfPattern)).to.deep.equal(['.mkv', '.tar.gz', '.csv', '.mkv', '.csv', '', '']);
  });
});
