// Protects: a manager offers each verb as it is declared, without the fields that a single JSON answer can't express.
import { expect } from 'chai';
import { endpointsOf } from '../../src/manager/http/verb-routes.ts';
import { fileFields } from '../../src/verbs/verb.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

describe('the verbs that a manager offers', () => {
  it('have at their paths every field but those that only frames accept', async () => {
    const left = endpointsOf(await describedVerbs()).flatMap(({ verb: { declared, input }, path }) =>
      Object.keys(declared.input.entries)
        .filter((name) => !Object.hasOwn(input.properties, name))
        .map((name) => `${path} ${name}`),
    );
    expect(left).to.have.members(['/jobs/{job}/logs follow', '/jobs/{job}/proofs output', '/jobs/{job}/proofs check']);
  });

  it('take a small text file as its lines', async () => {
    for (const { declared, input } of (await describedVerbs()).verbs) {
      for (const [name, kind] of fileFields(declared)) {
        if (kind === 'text') expect(input.properties[name], `${declared.name} ${name}`).to.include({ type: 'array' });
      }
    }
  });
});
