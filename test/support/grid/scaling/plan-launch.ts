import { active, type Group, type Member, type MixedPolicy, type TemplateRef } from './state.ts';

export interface Planned {
  readonly type: string | null;
  readonly subnet: string;
  readonly lifeCycle: 'spot' | 'on-demand';
}

export const templateOf = (group: Group): TemplateRef => {
  const template = group.mixed?.template ?? group.template;
  if (template === null || template === undefined) throw new Error(`${group.name} has no launch template`);
  return template;
};

/** What the next `count` instances are: like ones together. A null type is the template's own. */
export function planLaunch(group: Group, count: number): ReadonlyMap<string, readonly Planned[]> {
  const there = active(group);
  const planned: Planned[] = [];
  for (let one = 0; one < count; one += 1) {
    const total = there.length + planned.length + 1;
    const onDemand = [...there, ...planned].filter(({ lifeCycle }) => lifeCycle === 'on-demand').length;
    const lifeCycle = group.mixed === null || onDemand < onDemandOf(group.mixed, total) ? 'on-demand' : 'spot';
    const types = group.mixed?.types ?? [];
    // AWS chooses by capacity and price; here they take turns.
    const type = types[(total - 1) % types.length] ?? null;
    planned.push({ type, lifeCycle, subnet: emptiest(group.subnets, [...there, ...planned]) });
  }
  return groupBy(planned);
}

/** Base first, then the share of what is above it, rounded up (InstancesDistribution). */
export const onDemandOf = ({ base, percentage }: MixedPolicy, total: number): number =>
  Math.min(total, base) + Math.ceil((Math.max(0, total - base) * percentage) / 100);

/** Instances are spread evenly over the zones (Auto Scaling: Distribution). */
function emptiest(subnets: readonly string[], there: readonly (Planned | Member)[]): string {
  const count = (subnet: string): number => there.filter((one) => one.subnet === subnet).length;
  return subnets.reduce((least, subnet) => (count(subnet) < count(least) ? subnet : least), subnets[0] ?? '');
}

function groupBy(planned: readonly Planned[]): ReadonlyMap<string, readonly Planned[]> {
  const groups = new Map<string, Planned[]>();
  for (const one of planned) {
    const key = JSON.stringify(one);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}
