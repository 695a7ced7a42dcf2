// Protects: people who set up one part of a stack get a policy that is enough for it, and for nothing else.
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { PARTS, type Part } from '../../src/infra/resource.ts';
import { roleName } from '../../src/lib/stack-names.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { actionsOf, allows, type Call, callsOf, idleGrants } from '../support/iam.ts';
import { type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { startTlsFront, type TlsFront } from '../support/servers/tls-front.ts';
import { StackDesk } from './stack-desk.ts';
import { STRANGER, Strangers } from './strangers.ts';

/** Characters, without white space, that a managed policy may have (IAM: quotas). */
const MOST = 6_144;

describe("the parts of the administrator's policy", function () {
  this.timeout(400_000);
  let cloud: Cloud;
  let simpledb: SimpleDbServer;
  let front: TlsFront;
  let strangers: Strangers;
  let desk: StackDesk;
  const calls: Record<Part, Call[]> = { data: [], iam: [], grid: [], manager: [] };
  const policies: Partial<Record<Part, PolicyDocument>> = {};
  const policyOf = (part: Part): PolicyDocument => policies[part] ?? { Version: '2012-10-17', Statement: [] };

  before(async () => {
    simpledb = await startSimpleDb();
    cloud = await startCloud({ simpledb: simpledb.url, pace: { second: 20 }, facts: true });
    front = await startTlsFront(cloud.url);
    strangers = new Strangers(cloud);
    desk = new StackDesk(cloud, { AWS_ENDPOINT_URL_S3: front.url, AWS_CA_BUNDLE: front.ca });
    const [boundary, other] = [await strangers.policy('boundary'), await strangers.policy('other')];
    const profile = {
      ledger: { kind: 'simpledb', domains: 2 },
      iam: { permissionsBoundary: boundary },
      manager: { allow: ['203.0.113.0/24'] },
    };
    desk.configure(profile);
    const { stack } = desk;
    const as = async (part: Part, act: () => Promise<unknown>): Promise<void> => {
      cloud.takeCalls();
      await act();
      const asked = cloud.takeCalls().filter(({ accessKeyId }) => accessKeyId !== STRANGER);
      calls[part].push(...asked.flatMap((call) => callsOf(call, { account: cloud.account, stack, boundary })));
    };
    for (const part of PARTS) {
      await as(part, async () => {
        await desk.answer(['infra', 'plan', '--only', part]);
        await desk.up('--only', part);
        await desk.answer(['infra', 'status', '--only', part]);
      });
    }
    // The role of a profile that is given is looked into; instances without a public address want ways out.
    desk.configure({ ...profile, iam: { ...profile.iam, workerProfile: roleName(stack, 'worker') } }, stack);
    await as('iam', () => desk.answer(['infra', 'plan', '--only', 'iam']));
    desk.configure({ ...profile, network: { publicIp: false } }, stack);
    for (const part of ['grid', 'manager'] as const) {
      await as(part, () => desk.answer(['infra', 'plan', '--only', part], 3));
    }
    await strangers.change(stack, other);
    await strangers.open(`${stack}-manager`);
    const groups = { default: { visibility: '90s', instances: ['m7g.large'] }, gpu: { instances: ['g5.xlarge'] } };
    desk.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    for (const part of PARTS) {
      await as(part, async () => {
        await desk.answer(['infra', 'status', '--only', part], 11);
        await desk.up('--only', part);
      });
    }
    desk.configure({ ...profile, groups, tags: { team: 'claims' }, ledger: { kind: 'simpledb', domains: 1 } }, stack);
    await as('data', () => desk.answer(['infra', 'status', '--only', 'data'], 11));
    // So many versions of the templates that the first ones go.
    for (const count of [1, 2, 3, 4, 5]) {
      const changed = { ...groups, gpu: { ...groups.gpu, disk: `${30 + count}GB` } };
      const manager = { ...profile.manager, instance: count % 2 === 0 ? 't4g.small' : 't4g.medium' };
      desk.configure({ ...profile, groups: changed, manager }, stack);
      for (const part of ['grid', 'manager'] as const) await as(part, () => desk.up('--only', part));
    }
    for (const part of PARTS) {
      const { stdout } = await desk.run(['infra', 'policies', '--for', 'admin', '--only', part]);
      policies[part] = JSON.parse(stdout);
    }
    await desk.down('--delete-data', '--timeout', '1s');
  });
  after(async () => {
    await desk?.remove();
    strangers?.close();
    await front?.close();
    await cloud?.close();
    await simpledb?.close();
  });

  for (const part of PARTS) {
    it(`let an administrator of only ${part} do everything for it, and no more`, () => {
      const policy = policyOf(part);
      expect(calls[part].filter((call) => !allows(policy, call))).to.deep.equal([]);
      expect(idleGrants(policy, calls[part])).to.deep.equal([]);
      expect(JSON.stringify(policy).length).to.be.below(MOST);
    });
  }

  it('let only an administrator of roles create one or change its rights', () => {
    for (const part of PARTS) {
      const writes = actionsOf(policyOf(part)).filter((action) => /^iam:(Create|Put|Attach|Update)/.test(action));
      const linked = writes.filter((action) => action !== 'iam:CreateServiceLinkedRole');
      if (part !== 'iam') expect(linked, part).to.deep.equal([]);
    }
  });

  it('exist only for the administrator: --only is refused for other roles', async () => {
    const { code, stderr } = await desk.run(['infra', 'policies', '--for', 'worker', '--only', 'iam']);
    expect(code).to.equal(2);
    expect(stderr).to.include('--only requires --for admin');
  });
});
