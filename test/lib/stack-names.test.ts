// Protects: AWS resources are addressed correctly in every partition, such as China and GovCloud.

import { expect } from 'chai';
import { partitionOf } from '../../src/lib/stack-names.ts';

describe('the partition of a region', () => {
  it('is the one that ARNs of that region need', () => {
    const regions = {
      ...{ 'us-east-1': 'aws', 'eu-west-1': 'aws', 'il-central-1': 'aws' },
      ...{ 'cn-north-1': 'aws-cn', 'us-gov-west-1': 'aws-us-gov', 'eusc-de-east-1': 'aws-eusc' },
      ...{ 'us-iso-east-1': 'aws-iso', 'us-isob-east-1': 'aws-iso-b', 'us-isof-south-1': 'aws-iso-f' },
      'eu-isoe-west-1': 'aws-iso-e',
    };
    const found = Object.fromEntries(Object.keys(regions).map((region) => [region, partitionOf(region)]));
    expect(found).to.deep.equal(regions);
  });
});
