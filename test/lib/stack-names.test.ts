// Protects: the next version finds what an earlier one made, by its name, and AWS resources are addressed correctly in every partition, such as China and GovCloud.
import { expect } from 'chai';
import {
  deadQueueName,
  domainName,
  gridName,
  MANAGER_GROUP,
  partitionOf,
  queueName,
  roleName,
} from '../../src/lib/stack-names.ts';

describe("the names of a stack's resources", () => {
  it('are those that earlier versions gave', () => {
    expect([
      queueName('month-end', 'gpu'),
      deadQueueName('month-end-gpu'),
      gridName('month-end', 'gpu'),
      gridName('month-end', MANAGER_GROUP),
      domainName('month-end', 3),
      roleName('month-end', 'worker'),
      roleName('month-end', 'manager'),
    ]).to.deep.equal([
      'month-end-gpu',
      'month-end-gpu-dead',
      'month-end-gpu',
      'month-end-manager',
      'month-end-3',
      'month-end-worker',
      'month-end-manager',
    ]);
  });
});

describe('the partition of a region', () => {
  it('is the one that ARNs of that region need', () => {
    for (const [partition, ...regions] of [
      ['aws', 'us-east-1', 'eu-west-1', 'il-central-1'],
      ['aws-cn', 'cn-north-1'],
      ['aws-us-gov', 'us-gov-west-1'],
      ['aws-eusc', 'eusc-de-east-1'],
      ['aws-iso', 'us-iso-east-1'],
      ['aws-iso-b', 'us-isob-east-1'],
      ['aws-iso-e', 'eu-isoe-west-1'],
      ['aws-iso-f', 'us-isof-south-1'],
    ]) {
      for (const region of regions) expect(partitionOf(region), region).to.equal(partition);
    }
  });
});
