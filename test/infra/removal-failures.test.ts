// Protects: infra down says everything that it could not remove, and ends as the first of these errors does.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { failureOf, type RemovalFailure } from '../../src/infra/down.ts';

const failure = (name: string, error: BatchctlError): RemovalFailure => ({ kind: 'queue', name, error });
const denied = (action: string) =>
  new BatchctlError('credentials', `${action} is denied`, { hint: 'allow it', denied: `${action} on *` });

describe('the failures of a removal', () => {
  it('are no error if there are none', () => {
    expect(failureOf([])).to.equal(null);
  });

  it('keep the words of a single one, and say how to continue', () => {
    const only = failure('a', denied('sqs:DeleteQueue'));
    const error = failureOf([only]);
    expect(error).to.include({ kind: 'credentials', message: 'sqs:DeleteQueue is denied' });
    expect(error).to.include({ denied: 'sqs:DeleteQueue on *', cause: only.error });
    expect(error?.hint).to.equal('allow it; run the same command again to continue');
  });

  it('are all named by an error of the first kind, with each hint once', () => {
    const busy = new BatchctlError('unavailable', 'EC2 is busy', { hint: 'batchctl doctor' });
    const error = failureOf([
      failure('a', busy),
      failure('b', denied('iam:DeleteRole')),
      failure('c', denied('sqs:DeleteQueue')),
      failure('d', new BatchctlError('unexpected', 'what?')),
    ]);
    expect(error?.kind).to.equal('unavailable');
    expect(error?.denied).to.equal(undefined);
    expect(error?.message).to.equal(
      '4 removals failed:\n- EC2 is busy\n- iam:DeleteRole is denied\n- sqs:DeleteQueue is denied\n- what?',
    );
    expect(error?.hint).to.equal('batchctl doctor; allow it; run the same command again to continue');
  });
});
