import { isKind } from '../../errors.ts';
import { partitionOf } from '../../lib/stack-names.ts';
import { type Finding, pass, warn } from '../../model/finding.ts';
import type { Check } from '../../ports/check.ts';
import type { AwsClients } from './clients.ts';
import { nullOnError, translateAwsError, translateErrors } from './errors.ts';

/** Instances that may run at the same time. */
export interface QuotaUse {
  /** The configuration field behind it: `groups.default`. */
  readonly where: string;
  /** The instance types that may be started. */
  readonly instances: readonly string[];
  /** The most instances for each purchase option. */
  readonly spot: number;
  readonly onDemand: number;
}

/** The vCPUs of the account's quotas that a worker group may need. */
export function quotaUseOf({ spot, max, onDemandBase, onDemandMax, instances }: Group, where: string): QuotaUse {
  // On-demand instances may replace spot ones.
  const onDemand = spot ? Math.max(onDemandBase, onDemandMax) : max;
  return { where, instances, spot: spot ? max - onDemandBase : 0, onDemand };
}

interface Group {
  readonly spot: boolean;
  readonly max: number;
  readonly onDemandBase: number;
  readonly onDemandMax: number;
  readonly instances: readonly string[];
}

/** A quota, and what the profile may need of it. */
export interface QuotaNeed {
  /** `L-34B43A08` */
  readonly code: string;
  /** `spot instances of G and VT` */
  readonly what: string;
  /** vCPUs. */
  readonly needed: number;
  readonly where: readonly string[];
  /** vCPUs that the account may run at once in the region; null: not known. */
  readonly quota: number | null;
}

type PurchaseOption = 'spot' | 'onDemand';
interface Family extends Readonly<Record<PurchaseOption, string | null>> {
  readonly types: RegExp;
  readonly name: string;
}

/**
 * The quota that counts the vCPUs of an instance type, by its family; null if none is known (General Reference: Amazon
 * EC2 endpoints and quotas; EC2 user guide: On-Demand Instance quotas, Spot Instance quotas).
 */
const FAMILIES: readonly Family[] = [
  family(/^(a|c|d|h|i|im|is|m|r|t|z)\d/, 'standard (A, C, D, H, I, M, R, T, Z)', 'L-1216C47A', 'L-34B43A08'),
  family(/^(g|gr|vt)\d/, 'G and VT', 'L-DB2E81BA', 'L-3819A6DF'),
  family(/^p[2-4]/, 'P', 'L-417A185B', 'L-7212CCBC'),
  family(/^p5/, 'P', 'L-417A185B', 'L-C4BD4855'),
  family(/^p\d/, 'P', 'L-417A185B', null),
  family(/^x\d/, 'X', 'L-7295265B', 'L-E3A00192'),
  family(/^f\d/, 'F', 'L-74FC7D96', 'L-88CF9481'),
  family(/^inf\d/, 'Inf', 'L-1945791B', 'L-B5D1601B'),
  family(/^trn\d/, 'Trn', 'L-2C3B7624', 'L-6B0D517C'),
  family(/^dl\d/, 'DL', 'L-6E869C2A', 'L-85EED4F7'),
  family(/^hpc\d/, 'HPC', 'L-F7808C92', null),
  family(/^u[-\d]/, 'high memory', 'L-43DA4232', null),
];

function family(types: RegExp, name: string, onDemand: string, spot: string | null): Family {
  return { types, name, onDemand, spot };
}

/** The vCPUs that each quota must cover when all groups are at their maximum, with the types that need the most. */
export function quotaNeeds(
  uses: readonly QuotaUse[],
  vcpusOf: ReadonlyMap<string, number>,
): readonly Omit<QuotaNeed, 'quota'>[] {
  const needs = new Map<string, { code: string; what: string; needed: number; where: string[] }>();
  for (const { where, instances, ...counts } of uses) {
    for (const way of ['spot', 'onDemand'] as const) {
      // All instances may be of the largest type that the quota counts.
      const largest = new Map<string, { vcpus: number; name: string }>();
      for (const type of instances) {
        const found = FAMILIES.find(({ types }) => types.test(type));
        const code = found?.[way] ?? null;
        if (found === undefined || code === null) continue;
        const vcpus = Math.max(vcpusOf.get(type) ?? 0, largest.get(code)?.vcpus ?? 0);
        largest.set(code, { vcpus, name: found.name });
      }
      for (const [code, { vcpus, name }] of largest) {
        const needed = counts[way] * vcpus;
        if (needed === 0) continue;
        const what = `${way === 'spot' ? 'spot' : 'on-demand'} instances of ${name}`;
        const need = needs.get(code) ?? { code, what, needed: 0, where: [] };
        needs.set(code, { ...need, needed: need.needed + needed, where: [...need.where, where] });
      }
    }
  }
  return [...needs.values()];
}

/**
 * The account's vCPU quotas in the region, and what is needed of them. Throws `credentials` if looking is denied. A
 * quota is unknown if Service Quotas doesn't return it or can't be reached.
 */
export async function readQuotas(clients: AwsClients, uses: readonly QuotaUse[]): Promise<readonly QuotaNeed[]> {
  const needs = quotaNeeds(uses, await vcpusOf(clients, [...new Set(uses.flatMap(({ instances }) => instances))]));
  const [{ GetServiceQuotaCommand }, client] = await Promise.all([
    import('@aws-sdk/client-service-quotas'),
    clients.serviceQuotas(),
  ]);
  const partition = partitionOf(clients.region);
  return await Promise.all(
    needs.map(async (need) => {
      const resource = `arn:${partition}:servicequotas:${clients.region}:${clients.account ?? '*'}:ec2/${need.code}`;
      const doing = { what: `read the vCPU quota ${need.code}`, action: 'servicequotas:GetServiceQuota', resource };
      try {
        const asked = client.send(new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: need.code }));
        const found = await nullOnError(asked, 'NoSuchResourceException');
        return { ...need, quota: found?.Quota?.Value ?? null };
      } catch (error) {
        const ours = translateAwsError(error, { ...doing, profile: clients.profile });
        if (isKind(ours, 'unavailable')) return { ...need, quota: null };
        throw ours;
      }
    }),
  );
}

/** The warning about a quota, with the command that fixes it; null if it is enough. */
export function quotaWarning(
  { code, what, needed, where, quota }: QuotaNeed,
  region: string,
): { readonly message: string; readonly fix: string } | null {
  if (quota !== null && quota >= needed) return null;
  const asks = `${where.join(', ')} at maximum size: ${needed} vCPUs of ${what}`;
  const command = `--region ${region} --service-code ec2 --quota-code ${code}`;
  if (quota === null) {
    const fix = `check with: aws service-quotas get-service-quota ${command}`;
    return { message: `${asks}; the account's quota (${code}) is unknown`, fix };
  }
  return {
    message: `${asks}, but the account's quota in ${region} (${code}), which also counts other instances, is ${quota}`,
    fix: `aws service-quotas request-service-quota-increase ${command} --desired-value ${needed}, or use a smaller \`max\``,
  };
}

/** Whether the quotas cover what the configuration may start. */
export function quotaCheck(clients: AwsClients, uses: readonly QuotaUse[]): Check {
  const run = async (): Promise<Finding> => {
    try {
      const needs = await readQuotas(clients, uses);
      const short = needs.flatMap((need) => quotaWarning(need, clients.region) ?? []);
      if (short.length > 0) {
        return warn(short.map(({ message }) => message).join('; '), short.map(({ fix }) => fix).join('; '));
      }
      const enough = needs.map(({ code, needed, quota }) => `${needed} of ${quota} (${code})`);
      return pass(
        `at maximum size, all groups together stay within the account's vCPU quotas: ${enough.join(', ') || 'none is counted'}`,
      );
    } catch (error) {
      if (!isKind(error, 'credentials') || error.denied === undefined) throw error;
      return warn(
        `the account's vCPU quotas are unknown: ${error.denied} is denied`,
        error.hint ?? 'batchctl infra policies',
      );
    }
  };
  return { code: 'quota', run };
}

/** Types that don't exist are left out. */
async function vcpusOf(clients: AwsClients, types: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const [sdk, client] = await Promise.all([import('@aws-sdk/client-ec2'), clients.ec2()]);
  const { profile } = clients;
  const doing = { what: 'read instance types', action: 'ec2:DescribeInstanceTypes', resource: '*', profile };
  return await translateErrors(doing, async () => {
    const found = new Map<string, number>();
    const Filters = [{ Name: 'instance-type', Values: [...types] }];
    for await (const { InstanceTypes = [] } of sdk.paginateDescribeInstanceTypes({ client }, { Filters })) {
      for (const { InstanceType = '', VCpuInfo } of InstanceTypes) found.set(InstanceType, VCpuInfo?.DefaultVCpus ?? 0);
    }
    return found;
  });
}
