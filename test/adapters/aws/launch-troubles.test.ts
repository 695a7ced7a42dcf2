// Protects: the reason of a failed launch is named in one word, also where the text names an instance type.
import { expect } from 'chai';
import { troublesOf } from '../../../src/adapters/aws/auto-scaling.ts';

describe('why launches failed', () => {
  for (const [code, message] of [
    [
      'capacity',
      'We currently do not have sufficient m7g.2xlarge capacity in the Availability Zone you requested (us-east-1a). Our system will be working on provisioning additional capacity.',
    ],
    ['capacity', 'There is no Spot capacity available that matches your request. Launching EC2 instance failed.'],
    ['capacity', 'InsufficientInstanceCapacity - there is not enough c7i-flex.large capacity'],
    ['quota', 'You have requested more vCPU capacity than your current vCPU limit of 32 allows.'],
    ['other', 'The image is not sufficient. The capacity of the group stays.'],
  ] as const) {
    it(`is ${code}: ${message.slice(0, 60)}`, () => {
      const activity = { ActivityId: 'a', AutoScalingGroupName: 'g', Cause: '', StartTime: new Date(0) };
      const failed = { ...activity, Description: 'Launching a new EC2 instance', StatusCode: 'Failed' } as const;
      expect(troublesOf([{ ...failed, StatusMessage: message }]).map((trouble) => trouble.code)).to.deep.equal([code]);
    });
  }
});
