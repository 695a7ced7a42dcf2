// Protects: no role of a stack may change, take or remove anything of another stack in the account, whatever its name.
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/profile.ts';
import { POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allowedOn, BOUNDARY, isChange, OTHERS, OURS } from './other-stacks.ts';

const SAME_PLACE = { ...OURS, stack: 'month-end-two' };
const FIELDS = {
  manager: {},
  iam: { permissionsBoundary: BOUNDARY },
  // `two-default` has the names of the group `default` of the stack `month-end-two`.
  groups: { default: {}, gpu: {}, 'two-default': {} },
  ledger: { kind: 'simpledb', domains: 2 },
};
/** What IAM can't tell apart: docs/adr/0098-policies-compare-the-home.md. */
const SAME_ROLE = 'admin: iam:PassRole role';
/** A new instance of this stack may use them: a profile can name others' security groups. */
const USED = ['security-group', 'launch-template'].map((kind) => `admin: ec2:RunInstances ${kind}`);
const SAME_DOMAIN = [
  'admin: sdb:CreateDomain domain',
  'admin: sdb:DeleteDomain domain',
  ...['operator', 'manager', 'worker'].flatMap((role) => [
    `${role}: sdb:BatchDeleteAttributes domain`,
    `${role}: sdb:PutAttributes domain`,
  ]),
];
const EXCEPTIONS: Readonly<Record<keyof typeof OTHERS, readonly string[]>> = {
  'of the same name in another region': [SAME_ROLE],
  'of the same name in another bucket': [SAME_ROLE, ...USED, ...SAME_DOMAIN],
  // The bucket is the stack's own, unless the profile says that it existed.
  'of the same name below another prefix': [
    SAME_ROLE,
    ...USED,
    ...SAME_DOMAIN,
    ...['CreateBucket', 'DeleteBucket', 'PutBucketPolicy', 'PutBucketPublicAccessBlock', 'PutBucketTagging'].map(
      (action) => `admin: s3:${action} bucket`,
    ),
    ...['PutEncryptionConfiguration', 'PutLifecycleConfiguration'].map((action) => `admin: s3:${action} bucket`),
  ],
  'whose name begins with this one': USED,
};

describe('what the policies of a stack allow on other stacks', () => {
  const profileOf = (bucket: object = {}): Promise<AwsProfile> =>
    awsProfile({
      ...FIELDS,
      stack: OURS.stack,
      region: OURS.region,
      bucket: { name: OURS.bucket, prefix: OURS.prefix, ...bucket },
    });
  const changesOn = (stack: typeof OURS, policyOf: (role: (typeof POLICY_ROLES)[number]) => PolicyDocument) =>
    POLICY_ROLES.flatMap((role) =>
      allowedOn(policyOf(role), stack)
        .filter(isChange)
        .map((each) => `${role}: ${each}`),
    );

  for (const [which, other] of Object.entries(OTHERS)) {
    it(`changes nothing of a stack ${which}, except what IAM can't tell apart`, async () => {
      const profile = await profileOf();
      expect(changesOn(other, (role) => policyFor(role, profile))).to.have.members(EXCEPTIONS[which] ?? []);
    });
  }

  it('changes nothing but the objects that it shares with a stack of another name in the same place', async () => {
    const profile = await profileOf({ existing: true });
    const found = changesOn(SAME_PLACE, (role) => policyFor(role, profile));
    expect(found.filter((each) => !/(bucket|object)$/.test(each))).to.have.members(USED);
  });

  it('changes nothing of a bucket that existed before', async () => {
    const profile = await profileOf({ existing: true });
    const other = { ...OURS, prefix: 'theirs/' };
    const found = changesOn(other, (role) => policyFor(role, profile));
    expect(found.filter((each) => /(bucket|object)$/.test(each))).to.deep.equal([]);
  });

  it("changes each kind of the stack's own resources, so that the table above is about the right ones", async () => {
    const profile = await profileOf();
    const found = changesOn(OURS, (role) => policyFor(role, profile));
    const kinds = new Set(found.map((each) => each.replace(/^.* /, '')));
    // Instances, with their volumes and interfaces, are changed through their group; only the manager takes its address.
    expect(kinds).to.deep.equal(
      new Set([
        ...['bucket', 'object', 'domain', 'queue', 'role', 'profile', 'security-group', 'launch-template'],
        ...['elastic-ip', 'instance', 'network-interface', 'group'],
      ]),
    );
  });

  it('is more as soon as any tag of any condition is not compared', async () => {
    const profile = await profileOf();
    const places = [...Object.values(OTHERS), SAME_PLACE];
    const usual = places.map((place) => changesOn(place, (role) => policyFor(role, profile)).length);
    const unnoticed = POLICY_ROLES.flatMap((role) => {
      const policy = policyFor(role, profile);
      return policy.Statement.flatMap((statement) =>
        Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
          Object.keys(keys)
            .filter((key) => key.startsWith('aws:ResourceTag/'))
            .filter((key) => {
              const { [key]: _dropped, ...rest } = keys;
              const narrower = { ...statement, Condition: { ...statement.Condition, [operator]: rest } };
              const wider = {
                ...policy,
                Statement: policy.Statement.map((each) => (each === statement ? narrower : each)),
              };
              const policyOf = (of: typeof role) => (of === role ? wider : policyFor(of, profile));
              return places.every((place, at) => changesOn(place, policyOf).length === usual[at]);
            })
            .map((key) => `${role} ${statement.Sid} ${key}`),
        ),
      );
    });
    expect(unnoticed).to.deep.equal(UNNOTICED);
  });
});

/** No other stack has a role, or a manager's group, of this name; their homes are noticed. */
const UNNOTICED = ['MakeRoles', 'MakeRolesInBounds', 'RemoveRoles', 'MakeProfiles', 'ClearProfiles']
  .map((sid) => `admin ${sid} aws:ResourceTag/batchctl:stack`)
  .concat('manager Self aws:ResourceTag/batchctl:stack');
