// Protects: AWS resources are addressed correctly in every partition, such as China and GovCloud.
import { expect } from 'chai';
import { partitionOf } from '../../src/lib/stack-names.ts';

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
