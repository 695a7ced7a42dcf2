// Protects: jobs work on a real S3 server (Ceph's gateway); docs/testing.md says where it differs from AWS.
import { readFileSync } from 'node:fs';
import { CreateBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { createQueues } from '../../../src/adapters/aws/sqs-queue.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { randomId } from '../../../src/lib/id.ts';
import { objectStoreContract } from '../../contracts/object-store.ts';
import { clientsOptions, openClients } from '../../support/aws-clients.ts';
import { KEYS } from '../../support/aws-keys.ts';
import { AWS_LEASE_SECONDS, AwsWorkspace } from '../../support/aws-workspace.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';
import { FaultProxy, type SeenRequest } from '../../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { sqsOptions } from '../../support/sqs.ts';
import { startCeph } from './ceph.ts';
import { PREFIX, storeOf } from './s3-bench.ts';

describe('S3 on Ceph', () => {
  const ceph = forSuite(() => startCeph(KEYS));
  const clients = forSuite(() => openClients({ s3: ceph.url }));

  const cleanup = forEachTest(() => new Cleanup());
  const createBucket = async (): Promise<string> => {
    const bucket = `bucket-${randomId(8)}`;
    await (await clients.s3()).send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  };

  objectStoreContract('S3, on Ceph', async () => {
    const bucket = await createBucket();
    const another = openClients({ s3: ceph.url });
    return {
      store: await storeOf(clients, bucket, { prefix: PREFIX }),
      reopen: () => storeOf(another, bucket, { prefix: PREFIX }),
      close: () => another.close(),
    };
  });

  it('copies nothing of a source that is replaced between reading and copying it', async () => {
    const [from, to] = [await createBucket(), await createBucket()];
    const store = await storeOf(clients, from);
    const proxy = cleanup.use(await FaultProxy.start(ceph.url));
    // The endpoint takes no checksums, so the source is read first.
    cleanup.setEnv({ AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_REQUIRED' });
    const own = { name: from, owner: null, store };
    const target = await cleanup.use(new S3Buckets({ clients: clientsOptions({ s3: proxy.url }), own })).open(to);
    const as = { size: 8, checksum: bytesChecksum(Buffer.from('original')), metadata: {} };
    const isCopy = ({ headers }: SeenRequest) => 'x-amz-copy-source' in headers;
    const copyReplaced = async (ifAbsent: boolean): Promise<void> => {
      await store.put('out', 'original');
      proxy.fail(1, { kind: 'after', first: () => store.put('out', 'replaced') }, isCopy);
      const before = proxy.count(isCopy);
      await failsWith('changed', target.copyFromStore('out', 'to', { ...as, ifAbsent }));
      expect(proxy.count(isCopy) - before, 'it was read, and found as stated').to.equal(1);
    };
    await copyReplaced(true);
    expect(await target.head('to')).to.equal(null);
    await target.put('to', 'standing');
    await copyReplaced(false);
    expect(await readText(target, 'to')).to.equal('standing');
  });

  it('uploads, splits, runs, delivers, proves, fetches and prunes a job', async () => {
    const [stack, target] = [await createBucket(), await createBucket()];
    const [{ url: sts }, { url: sqs }] = await Promise.all([sharedMoto(), sharedFauxqs()]);
    await createQueues(sqsOptions(sqs, { name: `${stack}-default`, leaseSeconds: AWS_LEASE_SECONDS }));
    const workspace = await AwsWorkspace.make({ s3: ceph.url, sqs, sts, stack });
    cleanup.defer(() => workspace.remove());
    const rows = Array.from({ length: 60_000 }, (_, n) => `${n},${'größer'.repeat(5)} ${n}`);
    workspace.write('rows.csv', `n,text\n${rows.join('\n')}\n`);
    await workspace.runSuccessfully('upload', 'rows.csv', '--to', 'raw');
    workspace.write('job.json', {
      name: 'wide',
      input: { from: 'store:raw/rows.csv', split: { by: 'csv', header: true, size: '1MB' } },
      // The second step's outputs are large enough for uploads in several parts.
      steps: [
        { name: 'even', run: ['awk', '-F,', 'NR == 1 || $1 % 2 == 0'] },
        { name: 'wide', run: ['awk', 'NR > 1 { for (i = 0; i < 20; i++) print }'] },
        { name: 'count', run: 'wc -l', gather: true },
      ],
      deliver: { to: `s3://${target}/out/` },
    });
    const job = await workspace.submit();
    const workers = await Promise.all([workspace.work({}, '--here'), workspace.work({}, '--here')]);
    for (const { code, stderr } of workers) expect(code, stderr).to.equal(0);
    const proof = JSON.parse((await workspace.runSuccessfully('verify', job, '--deep', '--json')).stdout);
    expect(proof).to.include({ verdict: 'proven' });
    await workspace.runSuccessfully('fetch', job, '-o', 'count.txt', '--step', 'count');
    expect(Number(readFileSync(workspace.path('count.txt'), 'utf8'))).to.equal(600_000);
    const { Contents = [] } = await (await clients.s3()).send(new ListObjectsV2Command({ Bucket: target }));
    expect(Contents.map(({ Key }) => Key)).to.include('out/_SUCCESS');
    await workspace.runSuccessfully('prune', '--all', '--yes');
    expect(JSON.parse((await workspace.runSuccessfully('verify', job, '--json')).stdout)).to.include({
      verdict: 'proven',
    });
  });
});
