// Protects: doctor warns before an S3 lifecycle rule deletes or archives objects that jobs still need.

import type { LifecycleRule } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { judgeLifecycle } from '../../../src/adapters/aws/check-bucket.ts';

const PREFIX = 'batchctl/month-end/';
const aborts: LifecycleRule = {
  ...{ Status: 'Enabled', Filter: { Prefix: '' }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } },
};
const expires = (days: number, filter: LifecycleRule['Filter'], more: Partial<LifecycleRule> = {}): LifecycleRule => ({
  ...{ ID: 'tidy', Status: 'Enabled', Filter: filter, Expiration: { Days: days } },
  ...more,
});

describe("doctor's judgement of lifecycle rules", () => {
  for (const [what, rules, status, said] of [
    ['no rule that applies', [aborts], 'pass', 'after 7 days'],
    ['one for all objects', [aborts, expires(30, { Prefix: '' })], 'fail', '"tidy" deletes'],
    ['one in the older form', [aborts, { ...expires(30, undefined), Prefix: 'batchctl/' }], 'fail', 'batchctl/'],
    ['one for the results of one job', [aborts, expires(30, { Prefix: `${PREFIX}jobs/claims-` })], 'fail', 'claims-'],
    ['one below a prefix and a size', [aborts, expires(30, { And: { Prefix: PREFIX } })], 'fail', PREFIX],
    ['one after a year', [aborts, expires(365, { Prefix: PREFIX })], 'warn', '365 days'],
    ['the earliest of several', [aborts, expires(365, { Prefix: '' }), expires(3, { Prefix: '' })], 'fail', '3 days'],
    ['a rule at a past day', [aborts, { ...expires(0, {}), Expiration: { Date: new Date(0) } }], 'fail', '0 days'],
    [
      'one that archives',
      [aborts, { ...expires(0, {}), Expiration: {}, Transitions: [{ Days: 30, StorageClass: 'DEEP_ARCHIVE' }] }],
      'fail',
      'archives (DEEP_ARCHIVE)',
    ],
    [
      'a move to a class that can be read at once',
      [aborts, { ...expires(0, {}), Expiration: {}, Transitions: [{ Days: 30, StorageClass: 'GLACIER_IR' }] }],
      'pass',
      'no rule removes',
    ],
    ['a rule for other keys', [aborts, expires(1, { Prefix: 'logs/' })], 'pass', 'no rule removes'],
    [
      'a rule for data that no job needs',
      [aborts, expires(1, { Prefix: `${PREFIX}notices/` })],
      'pass',
      'no rule removes',
    ],
    ['a rule for tagged objects', [aborts, expires(1, { Tag: { Key: 'a', Value: 'b' } })], 'pass', 'no rule removes'],
    ['a rule that is off', [aborts, expires(1, { Prefix: '' }, { Status: 'Disabled' })], 'pass', 'no rule removes'],
    [
      'a rule that removes unfinished uploads elsewhere',
      [{ ...aborts, Filter: { Prefix: 'other/' } }],
      'warn',
      'no rule removes unfinished uploads',
    ],
    ['none at all', [], 'warn', 'no rule removes unfinished uploads'],
  ] as const satisfies readonly (readonly [string, readonly LifecycleRule[], string, string])[]) {
    it(`${what}: ${status}`, () => {
      const found = judgeLifecycle(rules, PREFIX);
      expect(found).to.include({ status });
      expect(found.message).to.include(said);
    });
  }
});
