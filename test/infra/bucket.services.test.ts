// Protects: infra up waits for a bucket's name that S3 does not give yet, and says why if that takes long.
import { expect } from 'chai';
import { BucketResource } from '../../src/infra/bucket.ts';
import { randomId } from '../../src/lib/id.ts';
import { openClients } from '../support/aws-clients.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { Cleanup } from '../support/cleanup.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { FaultProxy, type SeenRequest } from '../support/servers/fault-proxy.ts';
import { sharedMoto } from '../support/servers/moto.ts';

describe('a bucket whose name was free a moment ago', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const clients = forSuite(() => openClients({ s3: proxy.url, sts: moto.url }));
  const cleanup = forEachTest(() => new Cleanup());

  /** Answers creations as S3 does for a name that was deleted lately (S3: DeleteBucket). */
  async function refuseCreation(times: number): Promise<BucketResource> {
    proxy.heal();
    const name = `b${randomId(8)}`;
    const creates = ({ method, url }: SeenRequest): boolean => method === 'PUT' && /^\/b\w+\/?$/.test(url);
    proxy.fail(times, { kind: 'answer', status: 409, code: 'OperationAborted' }, creates);
    return new BucketResource(await awsProfile({ region: 'us-east-1', bucket: name }), clients);
  }
  afterEach(() => proxy.heal());

  it('is created once S3 gives the name', async () => {
    const bucket = await refuseCreation(2);
    await bucket.apply();
    expect(proxy.met).to.have.length(2);
    expect(await bucket.look()).to.deep.equal({ state: 'asItShould' });
  });

  it('is unavailable if that takes longer than two minutes, with the cause and what to do', async () => {
    const bucket = await refuseCreation(Number.POSITIVE_INFINITY);
    let passed = 0;
    const { now } = performance;
    cleanup.replace(performance, 'now', () => {
      passed += 20_000;
      return now.call(performance) + passed;
    });
    const error = await failsWith('unavailable', bucket.apply());
    expect(error.message).to.include(`S3 does not create the bucket ${bucket.name} yet`);
    expect(error.hint).to.include('was deleted lately').and.include('choose another `bucket.name`');
  });
});
