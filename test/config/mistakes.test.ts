// Protects: a mistake in the configuration is reported with its line, column and field, and never shows a password.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';
import { forSuite } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';

/** `found` is a part of the message, which begins with `at` and `field`. */
type Mistake = readonly [what: string, text: string, at: string, field: string, found: string];

const IN_FILE: readonly Mistake[] = [
  ['an empty file', '', '1:1', '', 'JSON'],
  ['a list', '[]', '1:1', '', 'found an empty list, allowed: a map with profile and profiles'],
  ['a trailing comma', '{"profile": "local",}', '1:21', '', 'not JSON'],
  ['a comment', '{ # no\n}', '1:3', '', 'not JSON'],
  ['an unclosed brace', '{"profile": "local"', '1:1', '', ''],
  ['a duplicate key', '{"profile": "local", "profile": "local"}', '1:22', '', 'a second time'],
  ['__proto__', '{"__proto__": {}}', '1:2', '', '__proto__ is not a field'],
  ['an unknown field', '{"profil": "local"}', '1:2', 'profil', 'did you mean profile?'],
  ['a profile that is a number', '{"profile": 1}', '1:13', 'profile', 'found 1'],
  ['an unknown selected profile', '{"profile": "prod"}', '1:13', 'profile', 'unknown profile "prod" (known: local)'],
  ['profiles that are a list', '{"profiles": []}', '1:14', 'profiles', 'allowed: a map of profiles'],
  ['a profile that is text', '{"profiles": {"local": "x"}}', '1:24', 'profiles.local', 'allowed: a profile'],
  [
    'profiles that extend each other in a circle',
    profile('"extends": "q"},\n"q": {"extends": "p"'),
    '3:18',
    'profiles.q.extends',
    'p -> q -> p',
  ],
  [
    'a mistake in an extended profile',
    profile('"extends": "q"},\n"q": {"backend": "local", "slots": 0'),
    '3:36',
    'profiles.q.slots',
    'found 0',
  ],
];

const IN_PROFILE: readonly Mistake[] = [
  ['a profile without backend', '', '2:1', 'backend', 'is missing, needed: local, aws or manager'],
  ['an unknown backend', '"backend": "gcp"', '2:13', 'backend', 'found "gcp"'],
  ['a profile that extends an unknown one', '"extends": "q"', '2:13', 'extends', 'unknown profile "q"'],
  ['a profile that extends itself', '"extends": "p"', '2:13', 'extends', 'p -> p'],
  ['a manager over plain http', '"backend": "manager", "url": "http://example.com"', '2:31', 'url', 'an https: URL'],
  ['a manager without url', '"backend": "manager"', '2:1', 'url', 'is missing'],
  ['no region', '"backend": "aws", "bucket": "abc"', '2:1', 'region', 'is missing, needed: an AWS region'],
  [
    'a stack whose bucket name would be too long',
    `"backend": "aws", "stack": "${'s'.repeat(38)}", "account": "123456789012", "region": "eu-central-1"`,
    '2:29',
    'stack',
    'results in a bucket name of 64',
  ],
];

const IN_LOCAL: readonly Mistake[] = [
  ['a field of AWS on local', '"region": "eu-west-1"', '2:22', 'region', 'unknown field'],
  ['an empty root', '"root": ""', '2:30', 'root', 'a directory'],
  ['an unknown durability', '"durability": "paper"', '2:36', 'durability', 'allowed: process, power'],
  ['half a slot', '"slots": 0.5', '2:31', 'slots', 'a whole number from 1'],
  ['protect as text', '"protect": "yes"', '2:33', 'protect', 'true or false'],
  ['an unknown time zone', '"tz": "Mars/Olympus"', '2:28', 'tz', 'an IANA time zone'],
  [
    'a field of a group named as a property of every object',
    '"groups": { "g": { "constructor": 1 } }',
    '2:41',
    'groups.g.constructor',
    'unknown field',
  ],
  ['a typo', '"durabilty": "power"', '2:22', 'durabilty', 'did you mean durability?'],
  [
    'an allowed secret in a relative file',
    '"allowSecrets": ["env:A_*", "file:a"]',
    '2:50',
    'allowSecrets[1]',
    'file:/path',
  ],
  ['an invalid bucket in requesterPays', '"requesterPays": ["s3://a"]', '2:40', 'requesterPays[0]', '3 to 63'],
];

/** The bucket comes after the region. */
const IN_BUCKET: readonly Mistake[] = [
  ['no bucket', '"stack": "x"', '2:1', 'bucket', 'or account to form the name'],
  ['a bucket of two letters', '"bucket": "ab"', '2:53', 'bucket', '3 to 63'],
  [
    'a prefix without a final slash',
    '"bucket": {"name": "abc", "prefix": "x"}',
    '2:79',
    'bucket.prefix',
    'ends with /',
  ],
  ['a bucket with the name of an IP address', '"bucket": "10.0.0.1"', '2:53', 'bucket', 'S3 forbids "10.0.0.1"'],
  ['a reserved bucket name', '"bucket": {"name": "claims--x-s3"}', '2:62', 'bucket.name', 'S3 forbids "--x-s3"'],
  [
    'a bucket of another account that would be created',
    '"account": "111111111111", "bucket": {"name": "claims", "owner": "222222222222"}',
    '2:108',
    'bucket.owner',
    'needs "existing": true',
  ],
  [
    'a stack whose bucket would have a reserved name',
    '"stack": "xn--a", "account": "123456789012"',
    '2:52',
    'stack',
    'S3 forbids "xn--"',
  ],
];

/** Fields of a ledger on a server. */
const SERVER = '"kind": "mysql", "url": "mysql://u@h/d"';

const IN_AWS: readonly Mistake[] = [
  ['an account as a number', '"account": 123456789012', '2:31', 'account', 'twelve digits, as text'],
  [
    'a ledger of another backend',
    '"ledger": {"kind": "sqlite"}',
    '2:39',
    'ledger.kind',
    "sqlite is the local profile's",
  ],
  ['a field of another ledger', '"ledger": {"kind": "store", "domains": 4}', '2:48', 'ledger.domains', 'unknown field'],
  [
    'a password in place of its reference',
    `"ledger": {${SERVER}, "password": "hunter2"}`,
    '2:84',
    'ledger.password',
    'found a hidden value, allowed: ssm:NAME, secretsmanager:NAME or secretsmanager:NAME#KEY',
  ],
  [
    'a variable for the password, and a secret',
    `"ledger": {${SERVER}, "password": "ssm:/db", "passwordEnv": "PW"}`,
    '2:84',
    'ledger.password',
    'found with passwordEnv, allowed: one of them',
  ],
  [
    'a token for the password, and a secret',
    `"ledger": {${SERVER}, "password": "ssm:/db", "iam": true}`,
    '2:84',
    'ledger.password',
    'found with iam, allowed: one of them',
  ],
  [
    'a key of a secret that the ledger has not',
    `"ledger": {${SERVER}, "passwordKey": "arn:aws:kms:eu-west-1:123456789012:key/1"}`,
    '2:87',
    'ledger.passwordKey',
    'found without password',
  ],
  [
    'a token that would not be encrypted',
    '"ledger": {"kind": "mysql", "url": "mysql://u@h/d?sslmode=disable", "iam": true}',
    '2:95',
    'ledger.iam',
    'found with sslmode=disable, needed: TLS',
  ],
  ['an allowed secret of AWS', '"allowSecrets": ["ssm:/a"]', '2:37', 'allowSecrets[0]', 'env:NAME or file:/path'],
  ['an unknown endpoint', '"endpoints": {"s4": "http://x"}', '2:34', 'endpoints.s4', 'did you mean s3?'],
  ["an address that isn't a CIDR block", '"manager": {"allow": ["203.0.113.0"]}', '2:42', 'manager.allow[0]', 'CIDR'],
  ['a group called manager', '"groups": {"manager": {}}', '2:31', 'groups.manager', 'reserved for the manager'],
  [
    "a group whose name is another one's dead-letter queue",
    '"groups": {"x": {}, "x-dead": {}}',
    '2:40',
    'groups.x-dead',
    'dead-letter queue of x',
  ],
  [
    'a group whose queue name is too long',
    `"stack": "${'s'.repeat(40)}", "groups": {"${'g'.repeat(36)}": {}}`,
    '2:84',
    `groups.${'g'.repeat(36)}`,
    'allowed: 80',
  ],
  ['a stack whose security groups would begin like ids', '"stack": "sg"', '2:29', 'stack', 'begins with sg-'],
  [
    "more tags than fit with batchctl's own",
    `"tags": {${Array.from({ length: 41 }, (_, n) => `"t${n}": ""`).join(', ')}}`,
    '2:28',
    'tags',
    'found 41 tags, allowed: 40',
  ],
  ["a tag of batchctl's own", '"tags": {"batchctl:stack": "x"}', '2:29', 'tags["batchctl:stack"]', 'another name'],
  [
    "a key's alias, which a policy can't name",
    '"kmsKey": "arn:aws:kms:eu-west-1:123456789012:alias/claims"',
    '2:30',
    'kmsKey',
    'aws kms describe-key --key-id arn:aws:kms:eu-west-1:123456789012:alias/claims --query KeyMetadata.Arn',
  ],
  ["a key's id", '"kmsKey": "1234abcd-12ab"', '2:30', 'kmsKey', '--key-id 1234abcd-12ab --query'],
  ['a malformed key', '"kmsKey": "a; b"', '2:30', 'kmsKey', 'the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID'],
  [
    'a permissions boundary that is shorter than IAM allows',
    '"iam": {"permissionsBoundary": "arn:aws:iam::1:p/b"}',
    '2:51',
    'iam.permissionsBoundary',
    '20 to 2048 characters',
  ],
  ['a budget of nothing', '"budget": {"job": 0}', '2:38', 'budget.job', 'over 0'],
];

const IN_GROUP: readonly Mistake[] = [
  ['a lease of a day', '"visibility": "1d"', '2:51', 'visibility', 'from 15s to 12h'],
  ['a tiny disk', '"disk": "1GB"', '2:45', 'disk', 'from 8GB'],
  ['no instance', '"instances": []', '2:50', 'instances', 'at least one'],
  ['an invalid instance type', '"instances": ["large"]', '2:51', 'instances[0]', 'such as c7g.large'],
  ['min over max', '"min": 9, "max": 3', '2:44', 'min', 'allowed: max (3) or less'],
];

/** A profile p, whose fields begin at column 2 of line 2. */
function profile(fields: string): string {
  return `{"profile": "p", "profiles": {"p":\n{${fields}}}}`;
}
const onAws = (fields: string): string => profile(`"backend": "aws", "region": "eu-west-1", ${fields}`);
const aws = (fields: string): string => profile(`"backend": "aws", ${fields}, "region": "eu-west-1", "bucket": "abc"`);
const group = (fields: string): string => aws(`"groups": {"g": {${fields}}}`);
const local = (fields: string): string => `{"profiles": {"local":\n{"backend": "local", ${fields}}}}`;

const SECTIONS: readonly (readonly [readonly Mistake[], (text: string) => string, prefix: string])[] = [
  [IN_FILE, (text) => text, ''],
  [IN_PROFILE, profile, 'profiles.p.'],
  [IN_LOCAL, local, 'profiles.local.'],
  [IN_BUCKET, onAws, 'profiles.p.'],
  [IN_AWS, aws, 'profiles.p.'],
  [IN_GROUP, group, 'profiles.p.groups.g.'],
];

describe('a mistake in the configuration', () => {
  const scratch = forSuite(() => new Scratch());
  const path = () => scratch.path('batchctl.config.json');

  async function messageOf(text: string): Promise<string> {
    writeFileSync(path(), text);
    return (await failsWith('config', loadConfig({ env: {}, cwd: scratch.directory, home: '' }))).message;
  }

  for (const [mistakes, textOf, prefix] of SECTIONS) {
    for (const [what, text, at, field, found] of mistakes) {
      it(`is reported with its place and field: ${what}`, async () => {
        const message = await messageOf(textOf(text));
        expect(message).to.contain(`${path()}:${at}: ${field === '' ? '' : `${prefix}${field}: `}`);
        expect(message).to.contain(found);
      });
    }
  }

  it('never reveals the password of a URL, alone or among other mistakes', async () => {
    const message = await messageOf(
      aws('"ledger": {"kind": "postgres", "url": "postgres://u:hunter2@h/d"}, "slots": 1, "tz": 3'),
    );
    expect(message).to.contain('3 mistakes').and.contain('postgres://u:***@h/d').and.not.contain('hunter2');
  });
});
