// Protects: a manager offers each verb as it is declared, without the fields that a single JSON answer can't express.
import { expect } from 'chai';
import { fileFields } from '../../src/verbs/verb.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

describe('the verbs that a manager offers', () => {
  it('have at their paths every field but those that only frames accept', async () => {
    const { verbs } = await describedVerbs();
    const left = verbs.flatMap(({ declared, input }) =>
      Object.keys(declared.input.entries)
        .filter((name) => !Object.hasOwn(input.properties, name))
        .map((name) => `${declared.name} ${name}`),
    );
    expect(left).to.have.members(['logs follow', 'verify output', 'verify check']);
  });

  it('take a small text file as its lines', async () => {
    for (const { declared, input } of (await describedVerbs()).verbs) {
      for (const [name, kind] of fileFields(declared)) {
        if (kind === 'text') expect(input.properties[name], `${declared.name} ${name}`).to.include({ type: 'array' });
      }
    }
  });
});
