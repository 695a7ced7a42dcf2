// Protects: a mistake in the configuration is reported with its line, column and field, and never shows a password.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';

/** A profile p on one line: its fields begin at column 20. */
const aws = (fields: string): string =>
  `{"profile": "p", "profiles": {"p":\n{"backend": "aws", ${fields}, "region": "eu-west-1", "bucket": "abc"}}}`;
/** Fields of a group, from column 46. */
const group = (fields: string): string => aws(`"groups": {"g": {${fields}}}`);
/** Fields of the local profile, from column 22. */
const local = (fields: string): string => `{"profiles": {"local":\n{"backend": "local", ${fields}}}}`;

const table: readonly (readonly [what: string, text: string, at: string, field: string, says: string])[] = [
  ['an empty file', '', '1:1', '', 'JSON'],
  ['a list', '[]', '1:1', '', 'found an empty list, allowed: a map with profile and profiles'],
  ['a trailing comma', '{"profile": "local",}', '1:21', '', 'not JSON'],
  ['a comment', '{ # no\n}', '1:3', '', 'not JSON'],
  ['an unclosed brace', '{"profile": "local"', '1:20', '', ''],
  ['a duplicate key', '{"profile": "local", "profile": "local"}', '1:22', '', 'unique'],
  ['__proto__', '{"__proto__": {}}', '1:2', '', '__proto__ is not a field'],
  ['an unknown field', '{"profil": "local"}', '1:2', 'profil', 'did you mean profile?'],
  ['a profile that is a number', '{"profile": 1}', '1:13', 'profile', 'found 1'],
  [
    "a selected profile that doesn't exist",
    '{"profile": "prod"}',
    '1:13',
    'profile',
    'unknown profile "prod" (known: local)',
  ],
  ['profiles that are a list', '{"profiles": []}', '1:14', 'profiles', 'allowed: a map of profiles'],
  ['a profile that is text', '{"profiles": {"local": "x"}}', '1:24', 'profiles.local', 'allowed: a profile'],
  [
    'a profile without backend',
    '{"profile": "p", "profiles": {"p": {}}}',
    '1:36',
    'profiles.p.backend',
    'is missing, needed: local, aws or manager',
  ],
  [
    'an unknown backend',
    '{"profile": "p", "profiles": {"p": {"backend": "gcp"}}}',
    '1:48',
    'profiles.p.backend',
    'found "gcp"',
  ],
  [
    'a profile that extends an unknown one',
    '{"profile": "p", "profiles": {"p": {"extends": "q"}}}',
    '1:48',
    'profiles.p.extends',
    'unknown profile "q"',
  ],
  [
    'profiles that extend each other in a circle',
    '{"profile": "p", "profiles": {"p": {"extends": "q"},\n"q": {"extends": "p"}}}',
    '2:18',
    'profiles.q.extends',
    'p -> q -> p',
  ],
  [
    'a profile that extends itself',
    '{"profile": "p", "profiles": {"p": {"extends": "p"}}}',
    '1:48',
    'profiles.p.extends',
    'p -> p',
  ],
  [
    'a mistake in an extended profile',
    '{"profile": "p", "profiles": {"p": {"extends": "q"},\n"q": {"backend": "local", "slots": 0}}}',
    '2:36',
    'profiles.q.slots',
    'found 0',
  ],
  ['a field of AWS on local', local('"region": "eu-west-1"'), '2:22', 'profiles.local.region', 'unknown field'],
  ['an empty root', local('"root": ""'), '2:30', 'profiles.local.root', 'a directory'],
  [
    'an unknown durability',
    local('"durability": "paper"'),
    '2:36',
    'profiles.local.durability',
    'allowed: process, power',
  ],
  ['half a slot', local('"slots": 0.5'), '2:31', 'profiles.local.slots', 'a whole number from 1'],
  ['protect as text', local('"protect": "yes"'), '2:33', 'profiles.local.protect', 'true or false'],
  ['an unknown time zone', local('"tz": "Mars/Olympus"'), '2:28', 'profiles.local.tz', 'an IANA time zone'],
  ['a typo', local('"durabilty": "power"'), '2:22', 'profiles.local.durabilty', 'did you mean durability?'],
  ['an account as a number', aws('"account": 123456789012'), '2:31', 'profiles.p.account', 'twelve digits, as text'],
  ['a bucket of two letters', aws('"stack": "x"').replace('"abc"', '"ab"'), '2:67', 'profiles.p.bucket', '3 to 63'],
  [
    'no bucket',
    aws('"stack": "x"').replace(', "bucket": "abc"', ''),
    '2:1',
    'profiles.p.bucket',
    'or account to form the name',
  ],
  [
    'no region',
    aws('"stack": "x"').replace(', "region": "eu-west-1"', ''),
    '2:1',
    'profiles.p.region',
    'is missing, needed: an AWS region',
  ],
  [
    'a prefix without a slash at its end',
    aws('"stack": "x"').replace('"abc"', '{"name": "abc", "prefix": "x"}'),
    '2:93',
    'profiles.p.bucket.prefix',
    'ends with /',
  ],
  [
    "a ledger that the backend doesn't support",
    aws('"ledger": {"kind": "sqlite"}'),
    '2:39',
    'profiles.p.ledger.kind',
    "sqlite is the local profile's",
  ],
  [
    'a field of another kind of ledger',
    aws('"ledger": {"kind": "store", "domains": 4}'),
    '2:48',
    'profiles.p.ledger.domains',
    'unknown field',
  ],
  ['a lease of a day', group('"visibility": "1d"'), '2:51', 'profiles.p.groups.g.visibility', 'from 15s to 12h'],
  [
    'an allowed secret that AWS stores',
    aws('"allowSecrets": ["ssm:/a"]'),
    '2:37',
    'profiles.p.allowSecrets[0]',
    'env:NAME or file:/path',
  ],
  [
    'an allowed secret file with a relative path',
    local('"allowSecrets": ["env:A_*", "file:a"]'),
    '2:50',
    'profiles.local.allowSecrets[1]',
    'file:/path',
  ],
  ['a tiny disk', group('"disk": "1GB"'), '2:45', 'profiles.p.groups.g.disk', 'from 8GB'],
  ['no instance', group('"instances": []'), '2:50', 'profiles.p.groups.g.instances', 'at least one'],
  [
    'an invalid instance type',
    group('"instances": ["large"]'),
    '2:51',
    'profiles.p.groups.g.instances[0]',
    'such as c7g.large',
  ],
  ['min over max', group('"min": 9, "max": 3'), '2:44', 'profiles.p.groups.g.min', 'allowed: max (3) or less'],
  [
    'an unknown endpoint',
    aws('"endpoints": {"s4": "http://x"}'),
    '2:34',
    'profiles.p.endpoints.s4',
    'did you mean s3?',
  ],
  [
    "an address that isn't a CIDR block",
    aws('"manager": {"allow": ["203.0.113.0"]}'),
    '2:42',
    'profiles.p.manager.allow[0]',
    'CIDR',
  ],
  [
    "a group with the manager's name",
    aws('"groups": {"manager": {}}'),
    '2:31',
    'profiles.p.groups.manager',
    'reserved for the manager',
  ],
  [
    "a group whose name is another one's dead-letter queue",
    aws('"groups": {"x": {}, "x-dead": {}}'),
    '2:40',
    'profiles.p.groups.x-dead',
    'dead-letter queue of x',
  ],
  [
    'a group whose queue name is too long',
    aws(`"stack": "${'s'.repeat(40)}", "groups": {"${'g'.repeat(36)}": {}}`),
    '2:84',
    `profiles.p.groups.${'g'.repeat(36)}`,
    'allowed: 80',
  ],
  [
    'a stack whose bucket name would be too long',
    `{"profile": "p", "profiles": {"p":\n{"backend": "aws", "stack": "${'s'.repeat(38)}", "account": "123456789012", "region": "eu-central-1"}}}`,
    '2:29',
    'profiles.p.stack',
    'results in a bucket name of 64',
  ],
  [
    'a bucket with the name of an IP address',
    '{"profiles": {"p":\n{"backend": "aws", "region": "eu-west-1", "bucket": "10.0.0.1"}}, "profile": "p"}',
    '2:53',
    'profiles.p.bucket',
    'S3 forbids "10.0.0.1"',
  ],
  [
    'a bucket with a name that S3 reserves',
    '{"profiles": {"p":\n{"backend": "aws", "region": "eu-west-1", "bucket": {"name": "claims--x-s3"}}}, "profile": "p"}',
    '2:62',
    'profiles.p.bucket.name',
    'S3 forbids "--x-s3"',
  ],
  [
    'a stack whose bucket would have a reserved name',
    '{"profile": "p", "profiles": {"p":\n{"backend": "aws", "stack": "xn--a", "account": "123456789012", "region": "eu-west-1"}}}',
    '2:29',
    'profiles.p.stack',
    'S3 forbids "xn--"',
  ],
  [
    'a stack whose security groups would begin like ids',
    aws('"stack": "sg"'),
    '2:29',
    'profiles.p.stack',
    'begins with sg-',
  ],
  [
    "more tags than fit with batchctl's own",
    aws(`"tags": {${Array.from({ length: 41 }, (_, n) => `"t${n}": ""`).join(', ')}}`),
    '2:28',
    'profiles.p.tags',
    'found 41 tags, allowed: 40',
  ],
  [
    "a tag of batchctl's own",
    aws('"tags": {"batchctl:stack": "x"}'),
    '2:29',
    'profiles.p.tags["batchctl:stack"]',
    'another name',
  ],
  [
    'a bucket of another account that would be created',
    '{"profiles": {"p":\n{"backend": "aws", "region": "eu-west-1", "account": "111111111111", "bucket": {"name": "claims", "owner": "222222222222"}}}, "profile": "p"}',
    '2:108',
    'profiles.p.bucket.owner',
    'needs "existing": true',
  ],
  [
    "a key's alias, which a policy can't name",
    aws('"kmsKey": "arn:aws:kms:eu-west-1:123456789012:alias/claims"'),
    '2:30',
    'profiles.p.kmsKey',
    'aws kms describe-key --key-id arn:aws:kms:eu-west-1:123456789012:alias/claims --query KeyMetadata.Arn',
  ],
  ["a key's id", aws('"kmsKey": "1234abcd-12ab"'), '2:30', 'profiles.p.kmsKey', '--key-id 1234abcd-12ab --query'],
  [
    'a malformed key',
    aws('"kmsKey": "a; b"'),
    '2:30',
    'profiles.p.kmsKey',
    'the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID',
  ],
  [
    'a permissions boundary that is shorter than IAM allows',
    aws('"iam": {"permissionsBoundary": "arn:aws:iam::1:p/b"}'),
    '2:51',
    'profiles.p.iam.permissionsBoundary',
    '20 to 2048 characters',
  ],
  [
    'an invalid bucket in requesterPays',
    local('"requesterPays": ["s3://a"]'),
    '2:40',
    'profiles.local.requesterPays[0]',
    '3 to 63',
  ],
  ['a budget of nothing', aws('"budget": {"job": 0}'), '2:38', 'profiles.p.budget.job', 'over 0'],
  [
    'a manager over plain http',
    '{"profile": "p", "profiles": {"p":\n{"backend": "manager", "url": "http://example.com"}}}',
    '2:31',
    'profiles.p.url',
    'an https: URL',
  ],
  [
    'a manager without url',
    '{"profile": "p", "profiles": {"p":\n{"backend": "manager"}}}',
    '2:1',
    'profiles.p.url',
    'is missing',
  ],
];

describe('a mistake in the configuration', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-config-'));
  after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'batchctl.config.json');
  const messageOf = async (text: string): Promise<string> => {
    writeFileSync(path, text);
    try {
      await loadConfig({ env: {}, cwd: dir, home: '' });
    } catch (error) {
      if (error instanceof Error && 'kind' in error && error.kind === 'config') return error.message;
      throw error;
    }
    throw new Error('was accepted');
  };

  for (const [what, text, at, field, says] of table) {
    it(`is reported with its place and field: ${what}`, async () => {
      const message = await messageOf(text);
      expect(message).to.contain(`${path}:${at}: ${field === '' ? '' : `${field}: `}`);
      expect(message).to.contain(says);
    });
  }

  it('never reveals the password of a URL, alone or among other mistakes', async () => {
    const message = await messageOf(
      aws('"ledger": {"kind": "postgres", "url": "postgres://u:hunter2@h/d"}, "slots": 1, "tz": 3'),
    );
    expect(message).to.contain('3 mistakes').and.contain('postgres://u:***@h/d').and.not.contain('hunter2');
  });
});
