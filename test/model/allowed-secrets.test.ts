// Protects: a job can read only those secrets of a worker's machine that the profile names.
import { expect } from 'chai';
import { isAllowed, requireAllowedSecrets } from '../../src/model/allowed-secrets.ts';
import { rejection } from '../support/rejection.ts';

const cases: readonly (readonly [string, readonly string[], boolean])[] = [
  ['env:DB_PASSWORD', ['env:DB_PASSWORD'], true],
  ['env:DB_PASSWORD', ['env:DB_*'], true],
  ['env:DB_', ['env:DB_*'], true],
  ['env:DB_PASSWORD', ['env:DB'], false],
  ['env:MY_DB_PASSWORD', ['env:DB_*'], false],
  ['env:db_password', ['env:DB_*'], false],
  ['env:DB_PASSWORD', [], false],
  ['env:DB_PASSWORD', ['file:/DB_PASSWORD', 'env:*'], true],
  ['file:/run/secrets/db', ['file:/run/secrets/*'], true],
  ['file:/run/secrets/db', ['file:/run/*/db'], true],
  ['file:/run/secrets/db.key', ['file:/run/secrets/db?key', 'file:/run/secrets/db.k'], false],
  ['file:/run/secrets/dbXkey', ['file:/run/secrets/db.key'], false],
  ['file:/run/secrets/db/key', ['file:/run/secrets/*'], false],
  ['file:/run/secrets/../../etc/shadow', ['file:/run/secrets/*', 'file:/run/secrets/*/*/*/*'], false],
  ['file:/run/secrets/..', ['file:/run/secrets/*'], false],
  ['file:/run/secrets//db', ['file:/run/secrets/*/db'], false],
  ['file:/run/../db*', ['file:/run/../db*'], true],
  ['file:/etc/shadow', ['env:*'], false],
  ['file:/run/secrets/a\nb', ['file:/run/secrets/*'], true],
  ['file:/etc/shadow\n/run/secrets/a', ['file:/run/secrets/*'], false],
  ['ssm:/prod/token', [], true],
  ['secretsmanager:db#password', [], true],
];

describe('the references that a profile allows', () => {
  for (const [reference, patterns, allowed] of cases) {
    it(`${JSON.stringify(reference)} ${allowed ? 'is' : 'is not'} among ${JSON.stringify(patterns)}`, () => {
      expect(isAllowed(reference, patterns)).to.equal(allowed);
    });
  }

  it('refuse a job that uses another one, by step, name and reference, with the line to add', async () => {
    const steps = [
      { name: 'price', secrets: { KEY: 'ssm:/key' } },
      { name: 'total', secrets: { DB: 'env:DB_PASSWORD', TOKEN: 'file:/etc/shadow' } },
    ];
    const refuse = async (patterns: readonly string[] | null) => requireAllowedSecrets(steps, patterns);
    const error = await rejection(refuse(['env:DB_*']));
    expect(error).to.include({ kind: 'jobFile' });
    expect(error.message).to.include('steps.total.secrets.TOKEN').and.include('file:/etc/shadow');
    expect(error).to.have.property('hint').that.includes('"allowSecrets": ["file:/etc/shadow"]');
    await refuse(['env:DB_*', 'file:/etc/*']);
    await refuse(null);
  });
});
