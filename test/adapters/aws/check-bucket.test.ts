// Protects: doctor warns before an S3 lifecycle rule deletes or archives objects that jobs still need.

import type { LifecycleRule } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { judgeLifecycle, judgeVersions } from '../../../src/adapters/aws/check-bucket.ts';

const PREFIX = 'batchctl/month-end/';
const rule = (fields: Partial<LifecycleRule>): LifecycleRule => ({
  ID: 'tidy',
  Status: 'Enabled',
  Filter: { Prefix: '' },
  ...fields,
});
const abortsUploads = rule({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } });
const expires = (days: number, fields: Partial<LifecycleRule> = {}): LifecycleRule =>
  rule({ Expiration: { Days: days }, ...fields });
const below = (prefix: string) => ({ Filter: { Prefix: prefix } });
const movesTo = (storageClass: 'DEEP_ARCHIVE' | 'GLACIER_IR'): LifecycleRule =>
  rule({ Filter: {}, Transitions: [{ Days: 30, StorageClass: storageClass }] });

describe("doctor's finding about lifecycle rules", () => {
  for (const [title, rules, status, text] of [
    ['no rule that applies', [], 'pass', 'after 7 days'],
    ['one for all objects', [expires(30)], 'fail', '"tidy" deletes'],
    [
      'one in the older form',
      [rule({ Expiration: { Days: 30 }, Filter: undefined, Prefix: 'batchctl/' })],
      'fail',
      'batchctl/',
    ],
    ['one for the results of one job', [expires(30, below(`${PREFIX}jobs/claims-`))], 'fail', 'claims-'],
    ['one below a prefix and a size', [expires(30, { Filter: { And: { Prefix: PREFIX } } })], 'fail', PREFIX],
    ['one after a year', [expires(365, below(PREFIX))], 'warn', '365 days'],
    ['the earliest of several', [expires(365), expires(3)], 'fail', '3 days'],
    ['a rule at a past day', [rule({ Expiration: { Date: new Date(0) } })], 'fail', '0 days'],
    ['one that archives', [movesTo('DEEP_ARCHIVE')], 'fail', 'archives (DEEP_ARCHIVE)'],
    ['a move to a class that can be read at once', [movesTo('GLACIER_IR')], 'pass', 'no rule removes'],
    ['a rule for other keys', [expires(1, below('logs/'))], 'pass', 'no rule removes'],
    ['a rule for data that no job needs', [expires(1, below(`${PREFIX}notices/`))], 'pass', 'no rule removes'],
    [
      'a rule for tagged objects',
      [expires(1, { Filter: { Tag: { Key: 'a', Value: 'b' } } })],
      'pass',
      'no rule removes',
    ],
    ['a rule that is off', [expires(1, { Status: 'Disabled' })], 'pass', 'no rule removes'],
  ] as const satisfies readonly (readonly [string, readonly LifecycleRule[], string, string])[]) {
    it(`is ${status} for ${title}`, () => {
      const finding = judgeLifecycle([abortsUploads, ...rules], PREFIX);
      expect(finding.severity).to.equal(status);
      expect(finding.message).to.include(text);
    });
  }

  for (const [title, rules] of [
    ['a rule removes unfinished uploads elsewhere', [{ ...abortsUploads, ...below('other/') }]],
    ['there is no rule', []],
  ] as const) {
    it(`is a warning if ${title}`, () => {
      const finding = judgeLifecycle(rules, PREFIX);
      expect(finding).to.include({ severity: 'warn' });
      expect(finding.message).to.include('no rule removes unfinished uploads');
    });
  }
});

describe("doctor's finding about versions", () => {
  const expiring = (days: number, fields: Partial<LifecycleRule> = {}): LifecycleRule =>
    rule({ NoncurrentVersionExpiration: { NoncurrentDays: days }, ...fields });
  for (const [title, rules, status] of [
    ['no rule', [abortsUploads], 'warn'],
    ['a rule for all objects', [expiring(30)], 'pass'],
    ['a rule for what is above the prefix', [expiring(1, below('batchctl/'))], 'pass'],
    ['a rule for a part of what workers write', [expiring(30, below(`${PREFIX}jobs/`))], 'warn'],
    ['a rule for other keys', [expiring(30, below('logs/'))], 'warn'],
    ['a rule that is disabled', [expiring(30, { Status: 'Disabled' })], 'warn'],
  ] as const) {
    it(`${status === 'pass' ? 'passes' : 'warns'} with ${title}`, () => {
      const { severity, message, fix } = judgeVersions(rules, PREFIX);
      expect(severity).to.equal(status);
      if (status === 'warn') expect([message, fix].join()).to.include('heartbeats').and.include(`prefix ${PREFIX}`);
    });
  }
});
